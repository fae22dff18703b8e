//! That lines are read as they are written, told wrong as they are, and as a slow parser would.

use std::collections::BTreeMap;

use parx_log::RunKind;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(77);

/// Tag, labels, time, value and line of each point.
type Rows = Vec<(String, BTreeMap<String, String>, Timestamp, Value, usize)>;

fn rows(text: &str, lines: Lines) -> Rows {
    let Lines { points, count } = lines;
    assert_eq!(points.len(), count);
    let value = |row: usize| match points.kinds[row] {
        RunKind::None => unreachable!("every point has a value"),
        RunKind::Float => Value::Float(f64::from_bits(points.bits[row])),
        RunKind::Int => Value::Int(points.bits[row].cast_signed()),
        RunKind::Bool => Value::Bool(points.bits[row] != 0),
        RunKind::Text => Value::Text(points.texts[points.bits[row] as usize].clone()),
    };
    let row = |row: usize| {
        let series = &points.series[points.keys[row] as usize];
        let time = Timestamp::from_micros(points.times[row]);
        (series.tag.clone(), series.labels.clone(), time, value(row), line_of(text, row))
    };
    (0..points.len()).map(row).collect()
}

fn points(text: &str) -> Vec<(String, Value, i64)> {
    let lines = parse(text, Precision::Nanoseconds, NOW, &Pool::default()).unwrap();
    let rows = rows(text, lines);
    rows.into_iter().map(|(tag, _, time, value, _)| (tag, value, time.micros())).collect()
}

/// What the slow and obvious parser says.
fn reference(text: &str, precision: Precision) -> Result<Rows, LineError> {
    let mut labels: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let points = super::reference::parse(text, precision)?;
    Ok(points
        .into_iter()
        .map(|p| {
            // A signal keeps the labels of the first line that named it.
            let labels = labels.entry(p.tag.clone()).or_insert(p.labels).clone();
            (p.tag, labels, p.time.unwrap_or(NOW), p.value, p.line)
        })
        .collect())
}

/// Pieces of lines, right and wrong ones, that meet each other in every way.
fn text() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "m", "n", "m\\ n", "m\\,", "m\\=", "ü", "\\", "m\\\\", "", "m\tn", "#m",
    ]);
    let head = (name.clone(), prop::collection::vec((name.clone(), name.clone()), 0..3)).prop_map(
        |(name, tags)| {
            let tags: String = tags.iter().map(|(key, value)| format!(",{key}={value}")).collect();
            format!("{name}{tags}")
        },
    );
    let value = prop_oneof![
        prop::sample::select(vec![
            "1",
            "-1.5e3",
            "+7i",
            "9223372036854775807i",
            "9223372036854775808i",
            "3u",
            "t",
            "FALSE",
            "\"a\"",
            "\"a\\\"\nb\"",
            "\"open",
            "",
            "nan",
            "inf",
            "1e999",
            "tr",
            "1_0",
            "0x1",
        ])
        .prop_map(str::to_owned),
        any::<f64>().prop_map(|x| format!("{x:?}")),
        any::<i64>().prop_map(|x| format!("{x}i")),
    ];
    let fields = prop::collection::vec((name, value), 0..4).prop_map(|fields| {
        let fields = fields.iter().map(|(key, value)| format!("{key}={value}"));
        fields.collect::<Vec<_>>().join(",")
    });
    let time = prop::sample::select(vec![
        "",
        " ",
        " 1700000000000000001",
        " -5",
        " 1 2",
        " soon",
        " \t\r",
        " 9223372036854775807",
    ]);
    let line = (head, prop::sample::select(vec![" ", "  ", "", " \t"]), fields, time);
    let line = line.prop_map(|(head, gap, fields, time)| format!("{head}{gap}{fields}{time}"));
    // Few kinds of lines, in any order and often again, as in a plant.
    prop::collection::vec(line, 1..5).prop_flat_map(|kinds| {
        let end = prop::sample::select(vec!["\n", "\n", "\r\n", "\n\n", "\n# x\n", ""]);
        prop::collection::vec((prop::sample::select(kinds), end), 0..12)
            .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect::<String>())
    })
}

fn precision() -> impl Strategy<Value = Precision> {
    let words = vec!["ns", "us", "ms", "s"];
    prop::sample::select(words).prop_map(|word| Precision::parse(word).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_gives_the_points_and_errors_of_the_slow_parser(
        text in text(), precision in precision(),
    ) {
        // The second time everything is known.
        let pool = Pool::default();
        for _ in 0..2 {
            let got = parse(&text, precision, NOW, &pool).map(|lines| rows(&text, lines));
            prop_assert_eq!(got, reference(&text, precision));
        }
    }

    #[test]
    fn lines_that_are_in_order_are_read_in_rounds_as_by_the_slow_parser(
        kinds in prop::collection::vec(("[a-c]{1,3}", 0..3, 1..4), 1..6),
        order in prop::collection::vec((0_usize..6, any::<i32>(), any::<bool>()), 0..60),
    ) {
        let line = |(kind, number, swap): &(usize, i32, bool)| {
            let (name, tags, fields) = &kinds[kind % kinds.len()];
            let tags: String = (0..*tags).map(|tag| format!(",k{tag}={tag}")).collect();
            let mut fields: Vec<String> =
                (0..*fields).map(|field| format!("f{field}={number}.{field}")).collect();
            if *swap {
                fields.reverse();
            }
            format!("{name}{tags} {} {number}\n", fields.join(","))
        };
        let text: String = order.iter().map(line).collect();
        let got = parse(&text, Precision::Milliseconds, NOW, &Pool::default());
        let got = got.map(|lines| rows(&text, lines));
        let wanted = reference(&text, Precision::Milliseconds);
        prop_assert!(wanted.is_ok());
        prop_assert_eq!(got, wanted);
    }
}

#[test]
fn what_is_known_from_text_to_text_is_bounded() {
    let pool = Pool::default();
    let long = "x".repeat(1000);
    for round in 0..3 {
        let lines: String = (0..3000).map(|n| format!("{long}{round},n={n} f=1\n")).collect();
        assert!(parse(&lines, Precision::Nanoseconds, NOW, &pool).is_ok());
    }
    let known: Vec<usize> = std::iter::repeat_with(|| pool.take())
        .take(KNOWN_KEPT_MAX)
        .map(|heads| heads.series.len())
        .collect();
    assert!(known.iter().all(|known| *known < 6000), "{known:?}");
}

#[test]
fn of_too_many_points_all_are_counted_and_few_are_kept() {
    let text = "m f=1\n".repeat(WRITE_POINTS_MAX + 10);
    let lines = parse(&text, Precision::Nanoseconds, NOW, &Pool::default()).unwrap();
    assert_eq!((lines.count, lines.points.len()), (WRITE_POINTS_MAX + 10, WRITE_POINTS_MAX + 1));
}

#[test]
fn a_line_becomes_one_point_a_field() {
    let got = points("pump,site=b,line=a speed=1.5,on=t,n=3i,s=\"x, y\" 1700000000000000001\n");
    let time = 1_700_000_000_000_000;
    assert_eq!(
        got,
        [
            ("pump/a/b/speed".into(), Value::Float(1.5), time),
            ("pump/a/b/on".into(), Value::Bool(true), time),
            ("pump/a/b/n".into(), Value::Int(3), time),
            ("pump/a/b/s".into(), Value::Text("x, y".into()), time),
        ]
    );
}

#[test]
fn escapes_comments_blank_lines_and_quotes_are_understood() {
    let text = "# comment\n\nmy\\ m\\,x,k\\=1=v\\ 2 f\\=g=\"a\\\"b\\\\c\nd\"\r\nm f=-1e3";
    let got = points(text);
    assert_eq!(got[0].0, "my m,x/v 2/f=g");
    assert_eq!(got[0].1, Value::Text("a\"b\\c\nd".into()));
    assert_eq!(got[1], ("m/f".into(), Value::Float(-1000.0), NOW.micros()));
}

#[test]
fn the_precision_is_the_timestamps_unit() {
    for (word, expected) in [("ns", 1), ("us", 1_500), ("ms", 1_500_000), ("s", 1_500_000_000)] {
        let precision = Precision::parse(word).unwrap();
        let lines = parse("m f=1 1500", precision, NOW, &Pool::default()).unwrap();
        assert_eq!(lines.points.times, [expected], "{word}");
    }
}

#[test]
fn a_bad_line_is_told_with_its_place_and_reason() {
    let table = [
        ("m f=1\nm f=\n", 2, 5, "has no value"),
        ("m f=1\nm\n", 2, 2, "field=value must follow"),
        ("m f=abc", 1, 5, "'abc' is not a value"),
        ("m f=NaN", 1, 5, "'NaN' is not a value"),
        ("m f=1 soon", 1, 7, "'soon' is not a timestamp"),
        ("m f=1 5 6", 1, 9, "nothing may follow"),
        ("m,k f=1", 1, 4, "has no value"),
        ("m,k=1,k=2 f=1", 1, 10, "is there twice"),
        ("m f=\"open", 1, 5, "no closing quote"),
        ("m f=\"a\nb\" x", 2, 4, "'x' is not a timestamp"),
        ("m f=99999999999999999999i", 1, 5, "not an integer of 64 bits"),
        ("m f=18446744073709551615u", 1, 5, "beyond"),
        (",k=1 f=1", 1, 1, "the measurement is missing"),
        ("m f=1,", 1, 7, "a field's key is missing"),
    ];
    for (text, line, column, part) in table {
        let error = parse(text, Precision::Nanoseconds, NOW, &Pool::default()).unwrap_err();
        assert!(error.problem.contains(part), "{text:?}: {error}");
        assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
    }
}
