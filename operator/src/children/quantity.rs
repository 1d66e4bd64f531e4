//! Amounts as Kubernetes writes them: `50m`, `0.05`, `64Mi`, `1e3`.
//!
//! Two ways to write one amount are equal
//! (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>).

use std::str::FromStr;

/// An amount, in units of 10^-9, which is as exact as Kubernetes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quantity(i128);

/// A text that is no amount.
#[derive(Debug)]
pub(super) struct NoQuantity;

/// Digits behind the point that count.
const EXACT: u32 = 9;

/// Suffixes, the number they stand for, and the power of ten that this is too large.
const SUFFIXES: [(&str, i128, u32); 15] = [
    ("Ki", 1 << 10, 0),
    ("Mi", 1 << 20, 0),
    ("Gi", 1 << 30, 0),
    ("Ti", 1 << 40, 0),
    ("Pi", 1 << 50, 0),
    ("Ei", 1 << 60, 0),
    ("n", 1, 9),
    ("u", 1, 6),
    ("m", 1, 3),
    ("k", 1_000, 0),
    ("M", 1_000_000, 0),
    ("G", 1_000_000_000, 0),
    ("T", 1_000_000_000_000, 0),
    ("P", 1_000_000_000_000_000, 0),
    ("E", 1_000_000_000_000_000_000, 0),
];

impl FromStr for Quantity {
    type Err = NoQuantity;

    fn from_str(text: &str) -> Result<Self, NoQuantity> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, suffix) = text.split_at_checked(end).ok_or(NoQuantity)?;
        let (factor, down) = factor(suffix)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits: i128 = format!("{whole}{part}").parse().map_err(|_| NoQuantity)?;
        let places = u32::try_from(part.len()).map_err(|_| NoQuantity)? + down;
        let amount = digits.checked_mul(factor).ok_or(NoQuantity)?;
        scaled(amount, places).map(Self).ok_or(NoQuantity)
    }
}

fn factor(suffix: &str) -> Result<(i128, u32), NoQuantity> {
    if suffix.is_empty() {
        return Ok((1, 0));
    }
    let known = SUFFIXES.iter().find(|(known, ..)| *known == suffix);
    if let Some((_, factor, down)) = known {
        return Ok((*factor, *down));
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(NoQuantity)?;
    let exponent: i32 = exponent.parse().map_err(|_| NoQuantity)?;
    let power = exponent.unsigned_abs();
    if exponent < 0 {
        return Ok((1, power));
    }
    10_i128.checked_pow(power).map(|factor| (factor, 0)).ok_or(NoQuantity)
}

/// An amount in units of 10^-9 that is given in units of 10^-`places`; rounded up, as Kubernetes
/// does.
fn scaled(amount: i128, places: u32) -> Option<i128> {
    if let Some(missing) = EXACT.checked_sub(places) {
        return amount.checked_mul(10_i128.checked_pow(missing)?);
    }
    let unit = 10_i128.checked_pow(places.checked_sub(EXACT)?)?;
    Some(amount / unit + i128::from(amount % unit > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Quantity {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    #[test]
    fn one_amount_in_several_forms() {
        for same in [
            ["0.05", "50m"],
            ["1", "1000m"],
            ["1.5Gi", "1536Mi"],
            ["1e3", "1k"],
            ["1E3", "1000"],
            ["1E", "1000000000000000000"],
            ["500u", "0.0005"],
            ["5e-3", "5m"],
            ["0.1n", "1n"],
            ["8Ei", "9223372036854775808"],
        ] {
            assert_eq!(parse(same[0]), parse(same[1]), "{same:?}");
        }
        assert_ne!(parse("1M"), parse("1Mi"));
        assert_ne!(parse("1"), parse("1m"));
    }

    #[test]
    fn what_is_no_amount() {
        for text in ["", "m", "1.2.3", "1x", "1 ", "-1", "1e", "1e99", "ten", "é"] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }
}
