//! Languages of documents: their words, and how they write numbers, money and dates.
//!
//! Owns: one table of phrases per language, and the number formats. Nothing is rounded here: digits are grouped and the
//! decimal mark is replaced, no more (L5).

use std::fmt::Write as _;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use weir_model::currency::Currency;
use weir_model::decimal::{decimal_string, write_decimal};
use weir_model::number::{AMOUNT_SCALE, Amount, Money, UnitAmount};
use weir_model::time::Instant;

/// A language that documents can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

/// The words of a document. `{}` is where a figure goes.
pub(crate) struct Phrases {
    pub invoice: &'static str,
    pub credit_note: &'static str,
    pub debit_note: &'static str,
    pub draft: &'static str,
    pub page: &'static str,
    pub billed_to: &'static str,
    pub tax_id: &'static str,
    pub customer_id: &'static str,
    pub account: &'static str,
    pub issued_on: &'static str,
    pub due_on: &'static str,
    pub period: &'static str,
    pub active: &'static str,
    pub plan: &'static str,
    pub time_zone: &'static str,
    pub currency: &'static str,
    pub description: &'static str,
    pub quantity: &'static str,
    pub unit_amount: &'static str,
    pub amount: &'static str,
    pub fees: &'static str,
    pub usage: &'static str,
    pub earlier_periods: &'static str,
    pub discount: &'static str,
    pub maximum: &'static str,
    pub minimum: &'static str,
    pub part_of: &'static str,
    pub at_most: &'static str,
    pub at_least: &'static str,
    pub on_plan: &'static str,
    pub corrects: &'static str,
    pub owed: &'static str,
    pub billed: &'static str,
    pub subtotal: &'static str,
    pub total_due: &'static str,
    pub total_credited: &'static str,
    pub prorated: &'static str,
    pub per: &'static str,
    pub tier: &'static str,
    pub tier_up_to: &'static str,
    pub tier_between: &'static str,
    pub tier_above: &'static str,
    pub flat_amount: &'static str,
    pub blocks: &'static str,
    pub conversion: &'static str,
    pub allowance: &'static str,
    pub pool: &'static str,
    pub price_since: &'static str,
    pub proration: &'static str,
    pub event_amounts: &'static str,
    pub event_by_event: &'static str,
    pub other_values: &'static str,
    pub other_times: &'static str,
    pub no_value: &'static str,
    pub event: &'static str,
    pub events: &'static str,
    pub meter: &'static str,
    pub digest: &'static str,
    pub digest_note: &'static str,
}

const EN: Phrases = Phrases {
    invoice: "Invoice",
    credit_note: "Credit note",
    debit_note: "Debit note",
    draft: "Draft",
    page: "Page",
    billed_to: "Billed to",
    tax_id: "Tax ID",
    customer_id: "Customer",
    account: "Account",
    issued_on: "Issued",
    due_on: "Due",
    period: "Period",
    active: "Active",
    plan: "Plan",
    time_zone: "Time zone",
    currency: "Currency",
    description: "Description",
    quantity: "Quantity",
    unit_amount: "Unit price",
    amount: "Amount",
    fees: "Fixed fees",
    usage: "Usage",
    earlier_periods: "Corrections of earlier periods",
    discount: "Discount",
    maximum: "Maximum",
    minimum: "Minimum",
    part_of: "{} of {}",
    at_most: "at most {}; the charge comes to {}",
    at_least: "at least {}; the charge comes to {}",
    on_plan: "plan {}",
    corrects: "corrects {}",
    owed: "Owed in all",
    billed: "Of which billed before",
    subtotal: "Subtotal",
    total_due: "Total due",
    total_credited: "Total credited",
    prorated: "pro-rated from {} for a whole period",
    per: "{} per {}",
    tier: "Tier {}",
    tier_up_to: "up to {}",
    tier_between: "above {}, up to {}",
    tier_above: "above {}",
    flat_amount: "flat amount",
    blocks: "billed in blocks",
    conversion: "Converted quantity",
    allowance: "Included in the plan",
    pool: "share of {} for {} used by the whole account",
    price_since: "price since {}",
    proration: "Adjustment for a partial period",
    event_amounts: "Sum of the events' own amounts",
    event_by_event: "Sum of amounts computed event by event",
    other_values: "any other",
    other_times: "other times",
    no_value: "(none)",
    event: "{} event",
    events: "{} events",
    meter: "meter {}",
    digest: "digest {}",
    digest_note: "A digest identifies exactly the events behind a line. Part amounts are rounded so that they sum to their line.",
};

const FR: Phrases = Phrases {
    invoice: "Facture",
    credit_note: "Avoir",
    debit_note: "Note de débit",
    draft: "Projet",
    page: "Page",
    billed_to: "Facturé à",
    tax_id: "N° de TVA",
    customer_id: "Client",
    account: "Compte",
    issued_on: "Émise le",
    due_on: "Échéance",
    period: "Période",
    active: "Abonné",
    plan: "Formule",
    time_zone: "Fuseau horaire",
    currency: "Devise",
    description: "Désignation",
    quantity: "Quantité",
    unit_amount: "Prix unitaire",
    amount: "Montant",
    fees: "Abonnement",
    usage: "Consommation",
    earlier_periods: "Régularisation de périodes antérieures",
    discount: "Remise",
    maximum: "Plafond",
    minimum: "Minimum",
    part_of: "{} de {}",
    at_most: "{} au plus ; la consommation s’élève à {}",
    at_least: "{} au moins ; la consommation s’élève à {}",
    on_plan: "formule {}",
    corrects: "rectifie {}",
    owed: "Dû en tout",
    billed: "Dont déjà facturé",
    subtotal: "Sous-total",
    total_due: "Total à payer",
    total_credited: "Total de l’avoir",
    prorated: "au prorata de {} pour une période entière",
    per: "{} par {}",
    tier: "Tranche {}",
    tier_up_to: "jusqu’à {}",
    tier_between: "au-delà de {}, jusqu’à {}",
    tier_above: "au-delà de {}",
    flat_amount: "montant forfaitaire",
    blocks: "facturé par blocs",
    conversion: "Quantité convertie",
    allowance: "Inclus dans la formule",
    pool: "part de {} pour {} consommés par tout le compte",
    price_since: "tarif depuis le {}",
    proration: "Ajustement pour période partielle",
    event_amounts: "Somme des montants propres aux événements",
    event_by_event: "Somme de montants calculés événement par événement",
    other_values: "toute autre valeur",
    other_times: "autres heures",
    no_value: "(aucune)",
    event: "{} événement",
    events: "{} événements",
    meter: "compteur {}",
    digest: "empreinte {}",
    digest_note: "Une empreinte identifie exactement les événements d’une ligne. Les montants de détail sont arrondis de sorte que leur somme soit celle de la ligne.",
};

const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const MONTHS_FR: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

/// Currencies that a language writes with a sign of their own. The others keep their code: `$` alone means a different
/// currency from reader to reader.
const SIGNS_EN: [(&str, &str); 4] = [("USD", "$"), ("EUR", "€"), ("GBP", "£"), ("JPY", "¥")];
const SIGNS_FR: [(&str, &str); 1] = [("EUR", "€")];

const NO_BREAK_SPACE: char = '\u{a0}';
const NARROW_NO_BREAK_SPACE: char = '\u{202f}';
/// What stands before a negative figure in print.
const MINUS: char = '\u{2212}';

impl Locale {
    /// From a tag such as `fr`, `fr-CA` or `en_GB`: the language decides. `None` for languages without a table.
    pub fn parse(tag: &str) -> Option<Locale> {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        [Locale::En, Locale::Fr].into_iter().find(|locale| locale.tag().eq_ignore_ascii_case(language))
    }

    /// The language tag: `en`, `fr`.
    pub const fn tag(self) -> &'static str {
        match self {
            Locale::En => "en",
            Locale::Fr => "fr",
        }
    }

    pub(crate) const fn phrases(self) -> &'static Phrases {
        match self {
            Locale::En => &EN,
            Locale::Fr => &FR,
        }
    }

    /// `1 September 2026`, `1er septembre 2026`.
    pub(crate) fn date(self, date: Date) -> String {
        let months = match self {
            Locale::En => &MONTHS_EN,
            Locale::Fr => &MONTHS_FR,
        };
        let month =
            usize::try_from(date.month()).ok().and_then(|month| months.get(month.checked_sub(1)?)).unwrap_or(&"");
        let ordinal = if self == Locale::Fr && date.day() == 1 { "er" } else { "" };
        format!("{}{ordinal} {month} {}", date.day(), date.year()).replace(' ', "\u{a0}")
    }

    /// `1 September 2026`, and the time of day unless it is midnight: `1 September 2026, 14:30`.
    pub(crate) fn instant(self, at: Instant, zone: &TimeZone) -> String {
        let local = zone.to_datetime(at.to_timestamp());
        let (date, time) = (self.date(local.date()), local.time());
        match time {
            _ if time == Time::midnight() => date,
            _ if time.second() == 0 && time.subsec_nanosecond() == 0 => format!("{date}, {}", time.strftime("%H:%M")),
            _ => format!("{date}, {time}"),
        }
    }

    /// A fraction in hundredths, exact: `2.9%`, `2,9 %`.
    pub(crate) fn percent(self, rate: UnitAmount) -> String {
        // A hundred times the figure, because two decimals fewer are counted.
        let number = self.number(&decimal_string(rate.scaled(), AMOUNT_SCALE.saturating_sub(2)));
        match self {
            Locale::En => format!("{number}%"),
            Locale::Fr => format!("{number}{NARROW_NO_BREAK_SPACE}%"),
        }
    }

    /// Canonical decimal text with the digits of its integer part in groups of three.
    pub(crate) fn number(self, canonical: &str) -> String {
        let (separator, mark) = match self {
            Locale::En => (',', '.'),
            Locale::Fr => (NARROW_NO_BREAK_SPACE, ','),
        };
        let (sign, digits) = canonical.strip_prefix('-').map_or((None, canonical), |digits| (Some(MINUS), digits));
        let (integer, fraction) = digits.split_once('.').map_or((digits, None), |(i, f)| (i, Some(f)));
        let mut text: String = sign.into_iter().collect();
        for (i, digit) in integer.chars().enumerate() {
            let left = integer.len().saturating_sub(i);
            if i > 0 && left.checked_rem(3) == Some(0) {
                text.push(separator);
            }
            text.push(digit);
        }
        if let Some(fraction) = fraction {
            text.push(mark);
            text.push_str(fraction);
        }
        text
    }

    /// `$1,234.56`, `KWD 1.234`; `1 234,56 €`, `1,234 KWD`.
    pub(crate) fn money(self, money: Money) -> String {
        self.with_currency(&money.to_decimal_text(), money.currency())
    }

    /// Exact, with no fewer decimals than the currency has.
    pub(crate) fn unit_amount(self, amount: UnitAmount, currency: Currency) -> String {
        self.exact(amount.scaled(), currency)
    }

    /// Exact, with no fewer decimals than the currency has.
    pub(crate) fn amount(self, amount: Amount, currency: Currency) -> String {
        self.exact(amount.scaled(), currency)
    }

    fn exact(self, scaled: i128, currency: Currency) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write_decimal(&mut text, scaled, AMOUNT_SCALE, currency.exponent());
        self.with_currency(&text, currency)
    }

    fn with_currency(self, canonical: &str, currency: Currency) -> String {
        let signs: &[(&str, &str)] = match self {
            Locale::En => &SIGNS_EN,
            Locale::Fr => &SIGNS_FR,
        };
        let sign = signs.iter().find(|(code, _)| *code == currency.code()).map(|(_, sign)| *sign);
        let number = self.number(canonical);
        match (self, sign) {
            (Locale::Fr, sign) => format!("{number}{NO_BREAK_SPACE}{}", sign.unwrap_or(currency.code())),
            (Locale::En, None) => format!("{}{NO_BREAK_SPACE}{number}", currency.code()),
            (Locale::En, Some(sign)) => match number.strip_prefix(MINUS) {
                Some(digits) => format!("{MINUS}{sign}{digits}"),
                None => format!("{sign}{number}"),
            },
        }
    }
}

/// The phrase with its blanks filled in, in order.
pub(crate) fn fill(phrase: &str, figures: &[&str]) -> String {
    let mut text = String::new();
    let mut figures = figures.iter();
    for (i, part) in phrase.split("{}").enumerate() {
        if i > 0 {
            // Writing to a String cannot fail.
            let _ = text.write_str(figures.next().unwrap_or(&""));
        }
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use weir_model::decimal::Decimal;

    use super::*;

    #[test]
    fn money() {
        for (minor, code, english, french) in [
            (123_456, "USD", "$1,234.56", "1\u{202f}234,56\u{a0}USD"),
            (-123_456, "USD", "−$1,234.56", "−1\u{202f}234,56\u{a0}USD"),
            (100_000_000, "EUR", "€1,000,000.00", "1\u{202f}000\u{202f}000,00\u{a0}€"),
            (5, "GBP", "£0.05", "0,05\u{a0}GBP"),
            (1234, "JPY", "¥1,234", "1\u{202f}234\u{a0}JPY"),
            (-1234, "KWD", "KWD\u{a0}−1.234", "−1,234\u{a0}KWD"),
            (0, "CHF", "CHF\u{a0}0.00", "0,00\u{a0}CHF"),
        ] {
            let money = Money::from_minor(minor, Currency::parse(code).unwrap());
            assert_eq!(Locale::En.money(money), english);
            assert_eq!(Locale::Fr.money(money), french);
        }
    }

    #[test]
    fn exact_figures_lose_nothing() {
        for (scaled, english, french) in [
            (2_000_000_000_000, "$0.000002", "0,000002\u{a0}USD"),
            (1, "$0.000000000000000001", "0,000000000000000001\u{a0}USD"),
            (100_000_000_000_000_000, "$0.10", "0,10\u{a0}USD"),
            (1_234_500_000_000_000_000_000, "$1,234.50", "1\u{202f}234,50\u{a0}USD"),
        ] {
            let amount = Amount::from_scaled(scaled).unwrap();
            let dollars = Currency::parse("USD").unwrap();
            assert_eq!(Locale::En.amount(amount, dollars), english);
            assert_eq!(Locale::Fr.amount(amount, dollars), french);
        }
    }

    #[test]
    fn dates() {
        for (year, month, day, english, french) in [
            (2026, 9, 1, "1 September 2026", "1er septembre 2026"),
            (2028, 2, 29, "29 February 2028", "29 février 2028"),
            (2026, 12, 31, "31 December 2026", "31 décembre 2026"),
        ] {
            let date = Date::new(year, month, day).unwrap();
            assert_eq!(Locale::En.date(date).replace('\u{a0}', " "), english);
            assert_eq!(Locale::Fr.date(date).replace('\u{a0}', " "), french);
        }
    }

    #[test]
    fn instants() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        for (at, english, french) in [
            ("2026-09-14T22:00:00Z", "15 September 2026", "15 septembre 2026"),
            ("2026-09-15T12:30:00Z", "15 September 2026, 14:30", "15 septembre 2026, 14:30"),
            ("2026-09-15T12:30:01.5Z", "15 September 2026, 14:30:01.5", "15 septembre 2026, 14:30:01.5"),
        ] {
            let at = Instant::from_timestamp(at.parse().unwrap());
            assert_eq!(Locale::En.instant(at, &paris).replace('\u{a0}', " "), english);
            assert_eq!(Locale::Fr.instant(at, &paris).replace('\u{a0}', " "), french);
        }
    }

    #[test]
    fn percents() {
        for (rate, english, french) in [
            ("0.029", "2.9%", "2,9\u{202f}%"),
            ("1", "100%", "100\u{202f}%"),
            ("0.000000000000000001", "0.0000000000000001%", "0,0000000000000001\u{202f}%"),
            ("12", "1,200%", "1\u{202f}200\u{202f}%"),
        ] {
            let rate = UnitAmount::from_decimal(Decimal::parse(rate.as_bytes()).unwrap()).unwrap();
            assert_eq!((Locale::En.percent(rate).as_str(), Locale::Fr.percent(rate).as_str()), (english, french));
        }
    }

    #[test]
    fn tags() {
        for (tag, expected) in [
            ("en", Some(Locale::En)),
            ("fr", Some(Locale::Fr)),
            ("fr-CA", Some(Locale::Fr)),
            ("EN_gb", Some(Locale::En)),
            ("de", None),
            ("", None),
        ] {
            assert_eq!(Locale::parse(tag), expected, "{tag}");
        }
    }

    #[test]
    fn blanks() {
        assert_eq!(fill("{} per {}", &["$1", "1,000"]), "$1 per 1,000");
        assert_eq!(fill("none", &["x"]), "none");
        assert_eq!(fill("{} {}", &["{}"]), "{} ");
    }
}
