use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// Something that JSON has as an object. Derived, a struct would be taken from an array as well, by the order of its fields.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfObject(PhantomData))
    }
}

struct OfObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfObject<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Point {
        x: i32,
        y: i32,
    }

    #[test]
    fn an_object_is_taken_by_its_names_only() {
        let point = |text| serde_json::from_str::<Object<Point>>(text).map(|Object(Point { x, y })| (x, y)).ok();
        assert_eq!(point(r#"{ "y": 2, "x": 1 }"#), Some((1, 2)));
        for text in
            ["[1, 2]", "null", "1", r#"{ "x": 1 }"#, r#"{ "x": 1, "y": 2, "z": 3 }"#, r#"{ "x": 1, "x": 1, "y": 2 }"#]
        {
            assert_eq!(point(text), None, "{text}");
        }
    }
}
