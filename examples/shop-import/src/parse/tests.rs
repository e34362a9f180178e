use super::*;

const HEADER: &str = "customer_id,date,quantity,amount\n";

fn read(text: impl AsRef<[u8]>) -> Vec<Result<Purchase, ReadError>> {
    match Reader::new(text.as_ref()) {
        Ok(reader) => reader.collect(),
        Err(error) => vec![Err(error)],
    }
}

/// Every mistake of a file, as a user would see them.
fn mistakes(text: impl AsRef<[u8]>) -> Vec<String> {
    let texts = read(text).into_iter().filter_map(Result::err).map(|error| error.to_string());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The mistakes of one line under a good header and a good line: it is line 3, and its customer comes after 7.
fn mistakes_of(line: &str) -> Vec<String> {
    mistakes(format!("{HEADER}7,1997-01-01,1,11.77\n{line}\n"))
}

fn purchase_of(line: &str) -> Purchase {
    let mut all = read(format!("{HEADER}{line}\n"));
    all.pop().unwrap().unwrap()
}

#[test]
fn a_line_is_read() {
    let date = NaiveDate::from_ymd_opt(1997, 1, 12).unwrap();
    let purchase = Purchase { line: 2, customer: 2, date, quantity: 5, cents: 7700 };
    assert_eq!(purchase_of("2,1997-01-12,5,77.00"), purchase);
}

#[test]
fn amounts_are_exact() {
    for (text, cents) in [
        ("0.00", 0),
        ("0", 0),
        ("0.1", 10),
        ("12", 1200),
        ("12.5", 1250),
        ("00000000012.34", 1234),
        ("99999999.99", 9_999_999_999),
    ] {
        assert_eq!(purchase_of(&format!("1,1997-01-01,1,{text}")).cents, cents, "{text}");
    }
}

#[test]
fn other_line_ends_and_a_mark_are_tolerated() {
    let plain = format!("{HEADER}1,1997-01-01,1,11.77\n2,1997-01-12,1,12.00\n");
    let expected: Vec<_> = read(&plain).into_iter().map(Result::unwrap).collect();
    assert_eq!(expected.len(), 2);
    for text in [
        plain.replace('\n', "\r\n"),
        format!("\u{feff}{plain}"),
        plain.trim_end().to_owned(),
        format!("\u{feff}{}", plain.trim_end().replace('\n', "\r\n")),
    ] {
        let found: Vec<_> = read(&text).into_iter().map(Result::unwrap).collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn the_header_is_exactly_that() {
    let expected = "expected the header `customer_id,date,quantity,amount`, found";
    for (header, wanted) in [
        ("customer_id,day,quantity,amount", vec![format!("line 1, column date: {expected} \"day\" here")]),
        (
            "date,customer_id,quantity,amount",
            vec![
                format!("line 1, column customer_id: {expected} \"date\" here"),
                format!("line 1, column date: {expected} \"customer_id\" here"),
            ],
        ),
        ("customer_id,date,quantity", vec!["line 1, column amount: expected four columns, this one is missing".into()]),
        ("customer_id,date,quantity,amount,note", vec!["line 1: expected four columns, found 5".into()]),
        (
            "customer_id,date,quantity,\u{b4}amount",
            vec![format!("line 1, column amount: {expected} \"\u{b4}amount\" here")],
        ),
    ] {
        assert_eq!(mistakes(format!("{header}\n1,1997-01-01,1,11.77\n")), wanted);
    }
}

#[test]
fn an_empty_file_is_named() {
    let expected = "line 1: expected the header `customer_id,date,quantity,amount`, found an empty file";
    assert_eq!(mistakes(""), [expected]);
}

#[test]
fn a_header_alone_is_a_history_without_purchases() {
    assert!(read(HEADER).is_empty());
}

#[test]
fn each_mistake_is_named_by_line_and_column() {
    for (line, expected) in [
        ("", "line 3: expected four columns, found an empty line"),
        ("8,1997-01-01,1", "line 3, column amount: expected four columns, this one is missing"),
        ("8,1997-01-01,1,11.77,", "line 3: expected four columns, found 5"),
        ("x,1997-01-01,1,11.77", "line 3, column customer_id: expected a whole number, found \"x\""),
        (",1997-01-01,1,11.77", "line 3, column customer_id: expected a whole number, found \"\""),
        ("\"8\",1997-01-01,1,11.77", "line 3, column customer_id: expected a whole number, found \"\\\"8\\\"\""),
        ("0,1997-01-01,1,11.77", "line 3, column customer_id: expected a whole number from 1 up, found \"0\""),
        ("-8,1997-01-01,1,11.77", "line 3, column customer_id: expected a whole number from 1 up, found \"-8\""),
        (
            "4294967296,1997-01-01,1,11.77",
            "line 3, column customer_id: expected a whole number up to 4294967295, found \"4294967296\"",
        ),
        ("6,1997-01-01,1,11.77", "line 3, column customer_id: expected customers in ascending order, found 6 after 7"),
        ("8,1997-1-1,1,11.77", "line 3, column date: expected a date like 1997-01-31, found \"1997-1-1\""),
        ("8,01/02/1997,1,11.77", "line 3, column date: expected a date like 1997-01-31, found \"01/02/1997\""),
        ("8,0000-01-01,1,11.77", "line 3, column date: expected a date like 1997-01-31, found \"0000-01-01\""),
        ("8,1997-02-29,1,11.77", "line 3, column date: expected a day of the calendar, found \"1997-02-29\""),
        ("8,1997-13-01,1,11.77", "line 3, column date: expected a day of the calendar, found \"1997-13-01\""),
        ("8,1997-01-01,one,11.77", "line 3, column quantity: expected a whole number, found \"one\""),
        ("8,1997-01-01, 1,11.77", "line 3, column quantity: expected a whole number, found \" 1\""),
        ("8,1997-01-01,1.5,11.77", "line 3, column quantity: expected a whole number, found \"1.5\""),
        ("8,1997-01-01,0,11.77", "line 3, column quantity: expected a whole number from 1 up, found \"0\""),
        ("8,1997-01-01,-2,11.77", "line 3, column quantity: expected a whole number from 1 up, found \"-2\""),
        (
            "8,1997-01-01,2147483648,11.77",
            "line 3, column quantity: expected a whole number up to 2147483647, found \"2147483648\"",
        ),
        ("8,1997-01-01,1,free", "line 3, column amount: expected an amount like 11.77, found \"free\""),
        ("8,1997-01-01,1,", "line 3, column amount: expected an amount like 11.77, found \"\""),
        ("8,1997-01-01,1,1e3", "line 3, column amount: expected an amount like 11.77, found \"1e3\""),
        ("8,1997-01-01,1,11.", "line 3, column amount: expected an amount like 11.77, found \"11.\""),
        ("8,1997-01-01,1,.77", "line 3, column amount: expected an amount like 11.77, found \".77\""),
        ("8,1997-01-01,1,1.1.1", "line 3, column amount: expected an amount like 11.77, found \"1.1.1\""),
        ("8,1997-01-01,1,-11.77", "line 3, column amount: expected an amount from 0.00 up, found \"-11.77\""),
        ("8,1997-01-01,1,11.770", "line 3, column amount: expected at most two decimals, found \"11.770\""),
        (
            "8,1997-01-01,1,100000000.00",
            "line 3, column amount: expected an amount up to 99999999.99, found \"100000000.00\"",
        ),
    ] {
        assert_eq!(mistakes_of(line), [expected]);
    }
}

#[test]
fn every_mistake_of_a_line_is_named() {
    assert_eq!(
        mistakes_of("x,yesterday,-1,1.999"),
        [
            "line 3, column customer_id: expected a whole number, found \"x\"",
            "line 3, column date: expected a date like 1997-01-31, found \"yesterday\"",
            "line 3, column quantity: expected a whole number from 1 up, found \"-1\"",
            "line 3, column amount: expected at most two decimals, found \"1.999\"",
        ]
    );
    assert_eq!(
        mistakes_of("8,1997-01-01"),
        [
            "line 3, column quantity: expected four columns, this one is missing",
            "line 3, column amount: expected four columns, this one is missing",
        ]
    );
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let mut file = format!("{HEADER}7,1997-01-01,1,11.77\n8,1997-01-01,").into_bytes();
    file.extend(b"\xff\xfe,11.77\n9,1997-01-01,1,11.77\n");
    assert_eq!(mistakes(&file), ["line 3, column quantity: expected UTF-8, found other bytes"]);
}

#[test]
fn reading_goes_on_after_a_mistake() {
    let purchases = read(format!("{HEADER}7,1997-01-01,1,11.77\nx\n8,1997-01-01,1,11.77\n"));
    assert_eq!(purchases.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(purchases.last().unwrap().as_ref().unwrap().line, 4);
}

#[test]
fn a_line_without_end_is_cut() {
    let endless = "1".repeat(5_000_000);
    let long = "line 3: expected four columns, found a line of more than a kilobyte";
    assert_eq!(mistakes_of(&endless), [long]);
    let file = format!("{HEADER}7,1997-01-01,1,11.77\n{endless}\n8,1997-01-01,0,11.77\n");
    assert_eq!(mistakes(&file), [long, "line 4, column quantity: expected a whole number from 1 up, found \"0\""]);
    let mut reader = Reader::new(file.as_bytes()).unwrap();
    assert_eq!(reader.by_ref().count(), 3);
    assert_eq!(reader.n_bytes(), file.len() as u64);
}

#[test]
fn what_is_quoted_is_short() {
    let word = "\u{e9}".repeat(200);
    let expected = format!("line 3, column date: expected a date like 1997-01-31, found \"{}\"", "\u{e9}".repeat(40));
    assert_eq!(mistakes_of(&format!("8,{word},1,11.77")), [expected]);
}

#[test]
fn a_failing_file_ends_the_reading() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let begun = format!("{HEADER}7,1997-01-01,1,11.77\n");
    let input = io::BufReader::new(io::Read::chain(begun.as_bytes(), Broken));
    let read: Vec<_> = Reader::new(input).unwrap().collect();
    assert!(matches!(read.as_slice(), [Ok(_), Err(ReadError::Io(_))]), "{read:?}");
}
