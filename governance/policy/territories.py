"""Country codes (ISO 3166-1 alpha-2) and the groups of them that licences exclude."""

from __future__ import annotations

_EU = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE"

# The outermost regions of France, and Åland, are EU territory under codes of their own (TFEU Art. 355).
_EU_OUTERMOST = "AX GF GP MF MQ RE YT"

EU_TERRITORY = frozenset(f"{_EU} {_EU_OUTERMOST}".split())

_COUNTRIES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV
    BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET
    FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM
    IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD
    ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE
    PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST
    SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS
    YE YT ZA ZM ZW
"""

COUNTRIES = frozenset(_COUNTRIES.split())


def is_known(territory: str) -> bool:
    """True for a country code and for ``EU``; anything else does not say where somebody is."""
    return territory == "EU" or territory in COUNTRIES


def is_covered(territory: str, groups: frozenset[str]) -> bool:
    """True when a country, or the EU as a whole, lies in one of some countries and groups; none of them: everywhere."""
    if not groups or (territory == "EU" and groups >= EU_TERRITORY):
        return True
    return any(is_inside(territory, group) for group in groups)


def is_inside(territory: str, group: str) -> bool:
    """True when a territory is a country, or lies in a group of countries."""
    if group == "EU":
        return territory == "EU" or territory in EU_TERRITORY
    return territory == group
