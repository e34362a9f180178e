use bigdecimal::BigDecimal;
use serde::Serializer;

/// An amount as JSON has it: with two decimals, also where it is nothing. A zero has lost its decimals on the way from the database.
pub(crate) fn serialize<S: Serializer>(amount: &BigDecimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&amount.with_scale(2).to_plain_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_two_decimals_whatever_it_is() {
        for (amount, text) in
            [("0", "0.00"), ("12", "12.00"), ("12.3", "12.30"), ("0.01", "0.01"), ("1e8", "100000000.00")]
        {
            let amount: BigDecimal = amount.parse().unwrap();
            assert_eq!(serialize(&amount, serde_json::value::Serializer).unwrap(), text);
        }
    }
}
