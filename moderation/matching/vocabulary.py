"""Words for minors and for sexual content, as data, with what they collide with.

Clinical and common words in the languages that prompts and tags are written in most. "girl", "boy" and 少女 are none of
the youth terms: in tags ("1girl") they say nothing about age. Left out as too ambiguous to deny anything: "minor",
"baby", "young", "petite", German "Kind", "breasts", "bikini", Polish "naga", French "nue".
"""

from collections.abc import Mapping

# By language; a term is written as it is spelt there, one form a word, "_" for the space inside a term.
YOUTH: Mapping[str, str] = {
    "en": "child children childlike kid kids kiddie minors underage underaged under_age preteen preteens pre_teen "
    "tween tweens teen teens teenage teenaged teenager teenagers toddler toddlers infant infants newborn adolescent "
    "adolescents juvenile juveniles prepubescent pubescent preschooler little_girl little_girls little_boy "
    "little_boys young_girl young_girls young_boy young_boys schoolgirl schoolgirls school_girl school_girls "
    "schoolboy schoolboys school_boy schoolchild schoolchildren grade_schooler middle_schooler elementary_schooler "
    "kindergartner high_schooler jailbait barely_legal loli lolis lolita lolicon lolicons shota shotas shotacon cunny "
    "toddlercon child_body aged_down age_regression",
    "de": "kinder minderjährig minderjährige minderjähriger kleinkind kleinkinder jugendliche jugendlicher "
    "schulmädchen schuljunge kleines_mädchen kleiner_junge junges_mädchen säugling",
    "fr": "enfant enfants mineure mineures fillette fillettes garçonnet petite_fille petites_filles petit_garçon "
    "jeune_fille adolescente écolière écolières écolier nourrisson",
    "es": "niña niñas niño niños menor_de_edad menores_de_edad adolescentes colegiala colegialas chiquilla "
    "preadolescente",
    "pt": "criança crianças menina meninas menino meninos menor_de_idade",
    "it": "bambina bambine bambino bambini ragazzina ragazzine ragazzino minorenne minorenni",
    "pl": "dziecko dzieci dziewczynka chłopiec nieletnia nastolatka",
    "tr": "çocuk çocuklar reşit_olmayan küçük_kız",
    "id": "anak_kecil anak_anak di_bawah_umur",
    "vi": "trẻ_em vị_thành_niên",
    "ru": "ребенок ребёнок ребенка дети детей детский детская девочка девочки девочку мальчик мальчики малолетка "
    "малолетние несовершеннолетняя несовершеннолетний несовершеннолетние школьница школьницы школьник подросток "
    "подростки",
    "zh": "萝莉 蘿莉 幼女 正太 儿童 兒童 未成年 小学生 小學生 初中生 中学生 小女孩 小男孩 女童 男童 婴儿 孩子",
    "ja": "ロリ ロリータ ロリコン ショタ ショタコン 女児 男児 児童 幼児 子供 こども 女子高生 女子中学生 赤ちゃん",
    "ko": "로리 쇼타 미성년 미성년자 아동 어린이 초등학생 중학생 여고생 유아",
    "hi": "बच्चा बच्ची बच्चे नाबालिग किशोरी",
    "ar": "طفل طفلة أطفال قاصر قاصرات مراهقة",
}
SEXUAL: Mapping[str, str] = {
    "en": "nude nudes nudity naked nsfw sex sexual sexually sexy porn porno pornography pornographic hentai erotic "
    "erotica eroticism genital genitals genitalia penis penises vagina vaginal vulva clitoris labia nipple nipples "
    "topless bottomless undressed undressing unclothed intercourse masturbation masturbate masturbating orgasm "
    "orgasmic semen ejaculation ejaculating cum cumshot cumming blowjob fellatio cunnilingus handjob footjob paizuri "
    "oral_sex anal gangbang threesome bukkake creampie deepthroat bdsm bondage fetish lewd ecchi ahegao futanari "
    "striptease stripping spread_legs spread_pussy upskirt cameltoe pussy cock cocks dick dicks tits titties boobs "
    "fuck fucked fucking fuckable slut slutty whore rape raped rule34 rule_34 r18 r_18 xxx x_rated milf dildo "
    "vibrator sex_toy rating_explicit rating_questionable sexually_explicit uncensored pedo pedophile paedophile csam "
    "onlyfans",
    "de": "nackt nackte nackter nacktbild sexuell erotisch erotik pornografie geschlechtsverkehr brustwarzen",
    "fr": "nudité sexe sexuel sexuelle érotique pornographique seins_nus",
    "es": "desnuda desnudas desnudo desnudos sexo erótica erótico pornografía pezones",
    "pt": "pelada pelado nudez erótico mamilos",
    "it": "nuda nude nudo sesso erotico capezzoli",
    "pl": "nagie nago seks erotyczny",
    "tr": "çıplak seks",
    "id": "telanjang bugil",
    "vi": "khỏa_thân khiêu_dâm",
    "ru": "голая голый голые голой обнаженная обнажённая обнаженный секс сексуальная порно порнография эротика "
    "эротический хентай",
    "zh": "裸体 裸體 全裸 裸照 色情 性爱 性愛 做爱 性交 情色 工口 阴部 乳头",
    "ja": "裸 全裸 ヌード エロ エロい セックス ポルノ 性交 性器 成人向け 陰部 乳首",
    "ko": "나체 누드 알몸 섹스 포르노 야한 야동 에로",
    "hi": "नग्न सेक्स अश्लील",
    "ar": "عارية عاري جنس إباحي إباحية",
}
# Words that without their accents are other words or names ("Nina").
NEEDS_ACCENT = frozenset({"niña", "niñas", "niño", "niños"})
# Phrases in which a term means no person, or nothing sexual. Titles about young people are none: "Teen Titans" counts.
HARMLESS: Mapping[str, str] = {
    "kid": "kid_icarus billy_the_kid kid_goat cisco_kid kid_cudi kid_rock",
    "child": "destinys_child childs_play inner_child",
    "children": "children_of_men children_of_dune",
    "teenage": "teenage_mutant",
    "lolita": "lolita_fashion gothic_lolita sweet_lolita classic_lolita lolita_dress lolita_style lolita_hairband",
    "kinder": "kinder_surprise kinder_egg kinder_chocolate",
    "newborn": "newborn_star newborn_sun",
    "infant": "infant_jesus",
    "juvenile": "juvenile_bird juvenile_plumage juvenile_dragon",
    "sex": "sex_pistols sex_education same_sex sex_and_the_city",
    "nude": "nude_lipstick nude_lips nude_heels nude_makeup nude_color nude_colour nude_palette nude_pink nude_beige",
    "nudes": "nudes_palette",
    "naked": "naked_mole naked_eye naked_cake naked_gun naked_snake naked_singularity",
    "cum": "cum_laude magna_cum summa_cum",
    "anal": "anal_fin anal_scale",
    "dick": "moby_dick philip_k_dick dick_tracy dick_grayson dick_van dick_cheney",
    "cock": "weather_cock cock_a_doodle cock_robin",
    "pussy": "pussy_cat pussy_cats pussy_willow pussy_riot pussy_in_boots",
    "tits": "blue_tits great_tits coal_tits",
    "penis": "penis_envy",
    "stripping": "paint_stripping wire_stripping",
    "rape": "rape_seed rape_field rape_flower",
    "bondage": "debt_bondage",
    "vibrator": "concrete_vibrator",
    "fetish": "fetish_figure fetish_statue",
    "bottomless": "bottomless_pit bottomless_brunch",
    "xxx": "xxx_tentacion xxx_lutz xxx_holic",
    "nipple": "grease_nipple pipe_nipple",
}
# What trigger words join to a term without a separator.
JOINED = frozenset(
    "girl girls boy boys woman lora locon style art artist model v ver pic pics photo photos anime".split()
)
# Things that are so many years old without being a person.
AGED_THINGS = frozenset(
    "whisky whiskey wine scotch rum bourbon cognac port cheese tree oak bonsai car truck house building bridge ship "
    "boat castle church computer laptop camera photo photograph scan film game".split()
)
