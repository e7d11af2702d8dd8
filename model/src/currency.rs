//! Currencies with their ISO 4217 exponents.

use std::fmt;

/// An ISO 4217 currency that has a minor unit (so not XAU, XTS and the like).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency {
    code: [u8; 3],
    exponent: u8,
}

impl Currency {
    /// Looks a code such as `USD` up; `None` for codes that ISO 4217 does not know or gives no minor unit.
    pub fn parse(code: &str) -> Option<Currency> {
        let known = iso_currency::Currency::from_code(code)?;
        let exponent = u8::try_from(known.exponent()?).ok()?;
        let code = known.code().as_bytes().try_into().ok()?;
        Some(Currency { code, exponent })
    }

    /// The three letters.
    pub fn code(&self) -> &str {
        // Built from a &str of three ASCII letters.
        std::str::from_utf8(&self.code).unwrap_or("???")
    }

    /// Decimals of the minor unit: 2 for USD, 0 for JPY, 3 for KWD, 4 for CLF.
    pub const fn exponent(self) -> u8 {
        self.exponent
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code.cmp(&other.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents() {
        for (code, exponent) in [
            ("USD", Some(2)),
            ("JPY", Some(0)),
            ("KWD", Some(3)),
            ("CLF", Some(4)),
            ("usd", None),
            ("XAU", None),
            ("ZZZ", None),
        ] {
            assert_eq!(Currency::parse(code).map(Currency::exponent), exponent, "{code}");
        }
    }
}
