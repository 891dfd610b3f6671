"""The rules: small named predicates, grouped by what they look at.

A component rule sees one component at a time; a request rule sees the whole request. Each adds findings and
none takes any away, which is why adding a component can never make a decision more permissive.
"""
