//! Sizes of memory: `"8MiB"`.

use syn::LitStr;

/// The bytes of a number with a unit.
pub(super) fn bytes(literal: &LitStr) -> syn::Result<u64> {
    let text = literal.value();
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => {
            let message = format!("`{text}` is no size: write a number above zero and KiB, MiB or GiB, as in \"8MiB\"");
            Err(syn::Error::new(literal.span(), message))
        }
    }
}
