use super::*;

fn there_and_back<T: Codec + PartialEq + std::fmt::Debug>(value: T) {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    let mut input = Input::new(&bytes);
    assert_eq!(T::decode(&mut input).as_ref(), Ok(&value));
    assert_eq!(input.end(), Ok(()));
    // Whatever is cut off, the rest is no value and nothing panics.
    for end in 0..bytes.len() {
        assert!(T::decode(&mut Input::new(&bytes[..end])).is_err(), "{value:?} cut to {end}");
    }
}

#[test]
fn numbers_come_back() {
    for value in [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN] {
        there_and_back(value);
    }
    for value in [0, 127, 128, u64::MAX] {
        there_and_back(value);
    }
    there_and_back(i16::MIN);
    there_and_back(u8::MAX);
    there_and_back(-0.0_f64);
    there_and_back(f32::MAX);
    there_and_back(true);
    there_and_back([8_u8, 0, 43, 1, 2, 255]);
}

#[test]
fn containers_come_back() {
    there_and_back("Grüße".to_owned());
    there_and_back(String::new());
    there_and_back(vec![0_u8, 255]);
    there_and_back(vec![Some("a".to_owned()), None]);
    there_and_back(Some(Some(1)));
}

#[test]
fn decimals_keep_their_scale() {
    for text in ["0", "1.50", "-99999999.99", "123456789012345678901234567890.123456789", "1e-20"] {
        let value: bigdecimal::BigDecimal = text.parse().unwrap();
        there_and_back(value.clone());
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        let back = bigdecimal::BigDecimal::decode(&mut Input::new(&bytes)).unwrap();
        assert_eq!(back.as_bigint_and_exponent(), value.as_bigint_and_exponent());
    }
}

#[test]
fn times_and_ids_come_back() {
    use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
    there_and_back(uuid::Uuid::from_u128(0x0123_4567_89ab_cdef_0011_2233_4455_6677));
    there_and_back(NaiveDate::from_ymd_opt(1997, 1, 1).unwrap());
    there_and_back(NaiveDate::MIN);
    there_and_back(NaiveTime::from_hms_nano_opt(23, 59, 59, 1_999_999_999).unwrap());
    there_and_back(DateTime::<Utc>::MIN_UTC);
    there_and_back(DateTime::<Utc>::MAX_UTC.naive_utc());
    there_and_back(DateTime::from_timestamp(-1, 999_999_999).unwrap());
}

#[test]
fn a_number_that_does_not_fit_is_corrupt() {
    let mut bytes = Vec::new();
    300_u64.encode(&mut bytes);
    assert_eq!(u8::decode(&mut Input::new(&bytes)), Err(Corrupt));
    assert_eq!(u64::decode(&mut Input::new(&[0xff; 11])), Err(Corrupt));
    assert_eq!(bool::decode(&mut Input::new(&[2])), Err(Corrupt));
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    let mut bytes = Vec::new();
    put_varint(u64::MAX, &mut bytes);
    assert_eq!(String::decode(&mut Input::new(&bytes)), Err(Corrupt));
    assert_eq!(Vec::<u64>::decode(&mut Input::new(&bytes)), Err(Corrupt));
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..24)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            })
            .collect();
        let mut input = Input::new(&bytes);
        let _ = <Vec<Option<String>>>::decode(&mut input);
        let _ = bigdecimal::BigDecimal::decode(&mut input);
        let _ = chrono::DateTime::<chrono::Utc>::decode(&mut input);
        let _ = chrono::NaiveTime::decode(&mut input);
        let _ = Serde::decode::<Vec<String>>(&mut input);
    }
}

#[test]
fn fingerprints_tell_forms_apart() {
    assert_ne!(Fingerprint::of("a").and("bc"), Fingerprint::of("ab").and("c"));
    assert_ne!(<Option<i32>>::FINGERPRINT, i32::FINGERPRINT);
    assert_ne!(<Vec<i32>>::FINGERPRINT, <Option<i32>>::FINGERPRINT);
}

#[test]
fn serde_values_come_back() {
    let mut bytes = Vec::new();
    Serde::encode(&("a".to_owned(), 7_u8), &mut bytes);
    assert_eq!(Serde::decode(&mut Input::new(&bytes)), Ok(("a".to_owned(), 7_u8)));
    assert_eq!(Serde::decode::<(String, u8)>(&mut Input::new(&bytes[..2])), Err(Corrupt));
}
