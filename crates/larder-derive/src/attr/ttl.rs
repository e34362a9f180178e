//! Times to live: `"10m"`.

use syn::LitStr;

/// The milliseconds of a number with a unit.
pub(super) fn milliseconds(literal: &LitStr) -> syn::Result<u64> {
    let text = literal.value();
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(milliseconds) if milliseconds > 0 => Ok(milliseconds),
        _ => {
            let message =
                format!("`{text}` is no time to live: write a number above zero and ms, s, m, h or d, as in \"10m\"");
            Err(syn::Error::new(literal.span(), message))
        }
    }
}
