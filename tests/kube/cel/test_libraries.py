"""Kubernetes' own functions in expressions: lists, patterns, URLs, quantities, addresses, formats, sets."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.cel.errors import CompileError, NoValue
from wherry.cel.values import UInt
from wherry.kube.cel.environment import environment

_LONG = "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2, 2].isSorted() && !['b', 'a'].isSorted() && [duration('1s')].isSorted()", True),
        ("[1, 2].sum()", 3),
        ("[1u, 2u].sum()", UInt(3)),
        ("[1.5, 2.0].sum()", 3.5),
        ("[duration('1s'), duration('1m')].sum() == duration('61s')", True),
        ("[].sum() == 0", True),
        ("[3, 1, 2].min() + [3, 1, 2].max() * 10", 31),
        ("['b', 'a'].min() + ['b', 'a'].max()", "ab"),
        ("[1, 2, 1].indexOf(1) + 10 * [1, 2, 1].lastIndexOf(1) + 100 * [1].indexOf(5)", -80),
        ("sets.contains([1, 2, 3], [2, 1]) && !sets.contains([1], [2])", True),
        ("sets.equivalent([1, 2], [2, 1, 1]) && !sets.equivalent([1], [1, 2])", True),
        ("sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [2]) && !sets.intersects([], [])", True),
        ("'abc 123'.find('[0-9]+') + 'abc'.find('[0-9]+')", "123"),
        ("'123 abc 456'.findAll('[0-9]+')", ["123", "456"]),
        ("'123 abc 456'.findAll('[0-9]+', 1)", ["123"]),
        ("'123'.findAll('[0-9]+', 0)", []),
        (
            "isURL('https://a.b:80/c?d=e') && isURL('/x') && !isURL('a b') && !isURL('../x') && !isURL('http://a:b/')",
            True,
        ),
        ("url('https://user@example.com:8080/p%20q?x=1&x=2').getHost()", "example.com:8080"),
        ("url('https://[::1]:80/').getHostname() + url('https://[::1]:80/').getPort()", "::180"),
        ("url('https://a.com/with space/').getEscapedPath()", "/with%20space/"),
        ("url('http://a/?k=1&k=b').getQuery()['k']", ["1", "b"]),
        ("url('HTTPS://a').getScheme()", "https"),
        ("isQuantity('1.5Gi') && isQuantity('-100m') && !isQuantity('1.5X') && !isQuantity('')", True),
        ("quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1').isLessThan(quantity('1001m'))", True),
        ("quantity('1') == quantity('1000m') && quantity('1k').compareTo(quantity('1000')) == 0", True),
        ("quantity('50k').add(quantity('20k')).sub(20000).asInteger()", 50000),
        ("quantity('-1m').sign() + quantity('0').sign()", -1),
        ("quantity('1500m').isInteger() ? 1.0 : quantity('1500m').asApproximateFloat()", 1.5),
        (
            "isIP('10.0.0.1') && isIP('::1') && !isIP('10.0.0.01') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0')",
            True,
        ),
        ("ip('::1').family() + ip('1.1.1.1').family()", 10),
        ("ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:DB8::1')", True),
        ("ip('0.0.0.0').isUnspecified() && ip('127.0.0.1').isLoopback() && ip('8.8.8.8').isGlobalUnicast()", True),
        ("ip('224.0.0.1').isLinkLocalMulticast() && ip('169.254.1.1').isLinkLocalUnicast()", True),
        ("ip('::1') == ip('0:0::1') && string(ip('0:0::1')) == '::1'", True),
        ("cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsIP(ip('10.9.9.9'))", True),
        (
            "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8'))",
            True,
        ),
        ("string(cidr('10.1.2.3/8').masked()) + string(cidr('10.1.2.3/8').ip())", "10.0.0.0/810.1.2.3"),
        ("cidr('::/64').prefixLength()", 64),
        ("isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0/08')", True),
        ("format.dns1123Label().validate('a-b').hasValue() || format.uuid().validate('x').hasValue()", True),
        (f"format.dns1123Label().validate('{_LONG}').value()", ["must be no more than 63 characters"]),
        (
            "!format.dns1123LabelPrefix().validate('a-').hasValue() || format.dns1035Label().validate('a').hasValue()",
            True,
        ),
        ("format.named('qualifiedName').value().validate('a/b/c').hasValue()", True),
        ("format.named('nothing').hasValue()", False),
        ("format.date().validate('2020-02-30').value()", ["invalid date"]),
        ("format.datetime().validate('2020-02-03T00:00:00Z').orValue([])", []),
        ("format.uri().validate('http://a').hasValue() || !format.byte().validate('?').hasValue()", False),
    ],
)
def test_values(text: str, expected: Any) -> None:
    for types in (None, {}):
        assert environment().compile(text, types).evaluate({}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[].min()", "min called on empty list"),
        ("quantity('1500m').asInteger()", "cannot convert value to integer"),
        ("quantity('x')", "quantities must match the regular expression"),
        ("ip('x')", "parse error during conversion from string"),
        ("cidr('10.0.0.0/99')", "network address parse error"),
        ("url('a b')", "URL parse error during conversion from string"),
        ("[dyn(1), dyn('a')].isSorted()", "no such overload: string < int"),
    ],
)
def test_what_has_no_value(text: str, message: str) -> None:
    with pytest.raises(NoValue) as error:
        environment().compile(text, {}).evaluate({})
    assert message in error.value.message


@pytest.mark.parametrize(
    "text",
    [
        "quantity(1)",
        "[{}].isSorted()",
        "ip('::1').isGreaterThan(1)",
        "'a'.findAll('a', 'b')",
        "sets.contains([1], ['a'])",
    ],
)
def test_the_checker_knows_them(text: str) -> None:
    with pytest.raises(CompileError):
        environment().compile(text, {})
