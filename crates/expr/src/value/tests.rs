//! Laws and cases of values, numbers, paths and trees.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn number(text: &str) -> Decimal {
    Decimal::parse(text).expect("a number")
}

fn path(text: &str) -> Path {
    Path::parse(text).expect("a path")
}

#[test]
fn numbers_are_read_and_written_in_one_notation() {
    let cases = [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0e5", "0"),
        ("0.10", "0.1"),
        ("-12.500", "-12.5"),
        ("1e3", "1000"),
        ("1.5E+2", "150"),
        ("25e-2", "0.25"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("1e-18", "0.000000000000000001"),
        ("5e-19", "0"),
        ("15e-19", "0.000000000000000002"),
        ("25e-19", "0.000000000000000002"),
        ("250000001e-27", "0"),
        ("2500000000000000001e-37", "0"),
        ("25000000000000000010e-38", "0"),
        ("25000000000000000010e-37", "0.000000000000000003"),
        ("5.0000000000000000000000001e-19", "0.000000000000000001"),
        ("99e-20", "0.000000000000000001"),
        ("4.9e-19", "0"),
        ("1e-99999999999999999999999", "0"),
        ("0e99999999999999999999999", "0"),
        ("0.00000000000000000000001e24", "10"),
        ("100000000000000000000", "100000000000000000000"),
        ("170141183460469231731.687303715884105727", "170141183460469231731.687303715884105727"),
        ("-170141183460469231731.687303715884105728", "-170141183460469231731.687303715884105728"),
        ("0.30000000000000000444", "0.300000000000000004"),
        ("0.3000000000000000004", "0.3"),
        ("9007199254740993", "9007199254740993"),
    ];
    for (text, expected) in cases {
        assert_eq!(number(text).to_string(), expected, "{text}");
    }
}

#[test]
fn other_texts_are_no_numbers() {
    for text in [
        "", "-", "+1", "01", "-01", ".5", "1.", "1.e3", "1e", "1e+", "0x1", "1 ", " 1", "1_0", "NaN", "Infinity",
        "--1", "1e1.5",
    ] {
        assert_eq!(Decimal::parse(text), Err(NumberError::NotANumber), "{text}");
    }
    for text in ["171e18", "1e21", "-1e999999999999999999999", "170141183460469231731.6873037158841057275", "1e39"] {
        assert_eq!(Decimal::parse(text), Err(NumberError::OutOfRange), "{text}");
    }
}

#[test]
fn arithmetic_is_exact_or_says_no() {
    let third = number("1").checked_div(number("3"));
    assert_eq!(third, Some(number("0.333333333333333333")));
    assert_eq!(number("2").checked_div(number("-3")), Some(number("-0.666666666666666667")));
    assert_eq!(number("1e-18").checked_div(number("2")), Some(Decimal::ZERO));
    assert_eq!(number("3e-18").checked_div(number("2")), Some(number("2e-18")));
    assert_eq!(number("1").checked_div(Decimal::ZERO), None);
    assert_eq!(number("0.1").checked_add(number("0.2")), Some(number("0.3")));
    assert_eq!(number("1e10").checked_mul(number("1e10")), Some(number("1e20")));
    assert_eq!(number("1e11").checked_mul(number("1e10")), None);
    assert_eq!(number("1.7e20").checked_add(number("1.7e20")), None);
    assert_eq!(number("-1e20").checked_div(number("1e-18")), None);
    let least = Decimal::from_units(i128::MIN);
    assert_eq!(least.checked_mul(Decimal::ONE), Some(least));
    assert_eq!(least.checked_div(least), Some(Decimal::ONE));
    assert_eq!(least.checked_mul(number("-1")), None);
    assert_eq!(number("42").to_i64(), Some(42));
    assert_eq!(number("42.5").to_i64(), None);
    assert_eq!(number("0.1").to_f64().to_bits(), 0.1f64.to_bits());
}

#[test]
fn sets_and_objects_have_one_form() {
    let [a, b] = [Value::text("a"), Value::text("b")];
    assert_eq!(Value::set(vec![b.clone(), a.clone(), b.clone()]), Value::Set(Arc::from([a.clone(), b.clone()])));
    let name = |text: &str| Arc::<str>::from(text);
    let object = Value::object(vec![
        (name("x"), a.clone()),
        (name("b"), a.clone()),
        (name("x"), Value::Null),
        (name("x"), b.clone()),
    ]);
    assert_eq!(object, Value::Object(Arc::from([(name("b"), a), (name("x"), b)])));
}

#[test]
fn debug_hides_content() {
    assert_eq!(
        format!("{:?}", [Value::Null, Value::text("ann"), Value::Number(Decimal::ONE)]),
        "[Null, Text(***), Number(***)]"
    );
}

#[test]
fn paths_keep_their_bounds() {
    let long = "x".repeat(201);
    assert_eq!(Path::root(&long), Err(InvalidPath::SegmentTooLong));
    assert_eq!(Path::parse(&long), Err(InvalidPath::SegmentTooLong));
    assert_eq!(Path::from_segments([]), Err(InvalidPath::Depth));
    assert_eq!(Path::from_segments(["a"; 17]), Err(InvalidPath::Depth));
    assert_eq!(Path::parse(&["a"; 17].join(".")), Err(InvalidPath::Depth));
    assert_eq!(path(&["a"; 16].join(".")).child("a"), Err(InvalidPath::Depth));
    let dots = ".".repeat(200);
    assert_eq!(Path::from_segments([&*dots; 3]), Err(InvalidPath::TooLong));
    assert_eq!(Path::from_segments([&*dots; 2]).map(|path| path.as_str().len()), Ok(801));
    for text in ["\\", "a\\b", "a.\\"] {
        assert_eq!(Path::parse(text), Err(InvalidPath::Escape), "{text}");
    }
    assert_eq!(Path::root("").map(|path| path.depth()), Ok(1));
    assert_eq!(path("a..b").segments().collect::<Vec<_>>(), ["a", "", "b"]);
    assert_eq!(path("a\\.b.c").segments().collect::<Vec<_>>(), ["a.b", "c"]);
}

#[test]
fn a_path_is_above_what_lies_below_it_only() {
    for (above, below, expected) in [
        ("a", "a.b", true),
        ("a", "a", false),
        ("a", "ab", false),
        ("a.b", "a", false),
        ("a", "a\\.b", false),
        ("a\\.b", "a\\.b.c", true),
    ] {
        assert_eq!(path(above).is_above(&path(below)), expected, "{above} {below}");
    }
}

#[test]
fn in_a_tree_the_last_one_stays() {
    let mut tree = Tree::new();
    tree.insert(&path("a.b"), Value::Bool(true));
    tree.insert(&path("a.c"), Value::Bool(false));
    tree.insert(&path("d"), Value::Null);
    tree.insert(&path("d.e"), Value::Null);
    let mut expected = Tree::new();
    for (at, value) in [("a.b", Value::Bool(true)), ("a.c", Value::Bool(false)), ("d.e", Value::Null)] {
        expected.insert(&path(at), value);
    }
    assert_eq!(tree, expected);
    tree.insert(&path("a"), Value::Null);
    let Tree::Node(children) = &tree else { panic!("a node") };
    assert_eq!(children.get("a"), Some(&Tree::Leaf(Value::Null)));
}

/// Units of every magnitude, small and round ones included.
fn units() -> impl Strategy<Value = i128> {
    prop_oneof![
        any::<i128>(),
        any::<i64>().prop_map(i128::from),
        any::<i32>().prop_map(|n| i128::from(n) * 1_000_000_000_000_000_000)
    ]
}

fn segment() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a.\\\\é!]{0,4}").expect("a pattern")
}

fn any_path() -> impl Strategy<Value = Path> {
    proptest::collection::vec(segment(), 1..5)
        .prop_map(|segments| Path::from_segments(segments.iter().map(String::as_str)).expect("within bounds"))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-2i64..2).prop_map(|n| Value::Number(Decimal::from_i64(n))),
        "[ab]{0,2}".prop_map(|text| Value::text(&text)),
        (0i64..3).prop_map(|n| Value::Timestamp(Timestamp::from_micros(n).expect("in range"))),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| Value::List(items.into())),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::set),
            proptest::collection::vec(("[ab]".prop_map(Arc::from), inner), 0..3).prop_map(Value::object),
        ]
    })
}

/// Half to even in small numbers, said another way: by the remainder of the doubled fraction.
fn rounded(numerator: i128, denominator: i128) -> i128 {
    let (quotient, remainder) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    match (remainder * 2).cmp(&denominator) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + quotient.rem_euclid(2),
    }
}

proptest! {
    #[test]
    fn a_number_reads_back_what_it_writes(units in units()) {
        let number = Decimal::from_units(units);
        let text = number.to_string();
        prop_assert_eq!(Decimal::parse(&text), Ok(number));
        prop_assert!(!text.contains('.') || !text.ends_with(['0', '.']));
    }

    #[test]
    fn the_notation_of_a_number_does_not_matter(mantissa in any::<i64>(), exponent in -18i32..=0) {
        let scale = 10i128.pow((18 + exponent).unsigned_abs());
        prop_assert_eq!(number(&format!("{mantissa}e{exponent}")).units(), i128::from(mantissa) * scale);
        prop_assert_eq!(number(&format!("{mantissa}.000E{exponent}")).units(), i128::from(mantissa) * scale);
    }

    #[test]
    fn digits_beyond_the_last_place_round_half_to_even(units in -1_000_000i128..1_000_000, places in 1u32..6) {
        let expected = rounded(units, 10i128.pow(places));
        prop_assert_eq!(number(&format!("{units}e-{}", 18 + places)).units(), expected);
    }

    #[test]
    fn parsing_never_panics(text in "[-+0-9eE.]{0,60}") {
        let _ = Decimal::parse(&text);
    }

    #[test]
    fn sums_are_those_of_the_units(a in units(), b in units()) {
        let [x, y] = [a, b].map(Decimal::from_units);
        prop_assert_eq!(x.checked_add(y).map(Decimal::units), a.checked_add(b));
        prop_assert_eq!(x.checked_sub(y).map(Decimal::units), a.checked_sub(b));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
    }

    #[test]
    fn products_and_quotients_of_small_numbers_agree_with_128_bits(a in any::<i32>(), b in any::<i32>(), scale in 0u32..=18) {
        let [x, y] = [a, b].map(|n| i128::from(n) * 10i128.pow(scale / 2));
        let [p, q] = [x, y].map(Decimal::from_units);
        prop_assert_eq!(p.checked_mul(q).map(Decimal::units), Some(rounded(x * y, 1_000_000_000_000_000_000)));
        if b != 0 {
            let (small, divisor) = (i128::from(a), i128::from(b));
            let expected = rounded(small * divisor.signum() * 1_000_000_000_000_000_000, divisor.abs());
            let quotient = Decimal::from_units(small).checked_div(Decimal::from_units(divisor));
            prop_assert_eq!(quotient.map(Decimal::units), Some(expected));
        }
    }

    /// Through 256 bits: a product by a whole number is a sum, and dividing undoes multiplying.
    #[test]
    fn a_product_by_a_whole_number_is_exact_and_undone_by_division(units in units(), factor in any::<i64>()) {
        let (number, whole) = (Decimal::from_units(units), Decimal::from_i64(factor));
        let product = number.checked_mul(whole);
        prop_assert_eq!(product.map(Decimal::units), units.checked_mul(i128::from(factor)));
        if let Some(product) = product && factor != 0 {
            prop_assert_eq!(product.checked_div(whole), Some(number));
        }
    }

    #[test]
    fn products_commute_and_signs_cancel(a in units(), b in units()) {
        prop_assume!(a != i128::MIN && b != i128::MIN);
        let [x, y, minus_x, minus_y] = [a, b, -a, -b].map(Decimal::from_units);
        prop_assert_eq!(x.checked_mul(y), y.checked_mul(x));
        prop_assert_eq!(minus_x.checked_mul(minus_y), x.checked_mul(y));
        prop_assert_eq!(minus_x.checked_div(minus_y), x.checked_div(y));
    }

    #[test]
    fn a_path_reads_back_its_segments(segments in proptest::collection::vec(segment(), 1..6)) {
        let path = Path::from_segments(segments.iter().map(String::as_str)).expect("within bounds");
        prop_assert_eq!(path.segments().collect::<Vec<_>>(), segments.clone());
        prop_assert_eq!(path.depth(), segments.len());
        prop_assert_eq!(Path::parse(path.as_str()), Ok(path.clone()));
        let mut by_child = Path::root(&segments[0]).expect("within bounds");
        for segment in &segments[1..] {
            let above = by_child;
            by_child = above.child(segment).expect("within bounds");
            prop_assert!(above.is_above(&by_child) && above.is_above(&path) || above.depth() >= path.depth());
        }
        prop_assert_eq!(by_child, path);
    }

    #[test]
    fn any_text_is_a_path_or_not(text in "[a.\\\\]{0,30}") {
        if let Ok(path) = Path::parse(&text) {
            let segments: Vec<_> = path.segments().collect();
            prop_assert_eq!(Path::from_segments(segments.iter().map(|segment| &**segment)), Ok(path.clone()));
        }
    }

    #[test]
    fn paths_sort_with_their_descendants_right_behind(paths in proptest::collection::btree_set(any_path(), 1..20)) {
        let sorted: Vec<_> = paths.into_iter().collect();
        for (at, above) in sorted.iter().enumerate() {
            let (before, after) = (&sorted[..at], &sorted[at + 1..]);
            prop_assert!(before.iter().all(|path| !above.is_above(path)));
            let run = after.iter().take_while(|path| above.is_above(path)).count();
            prop_assert_eq!(run, after.iter().filter(|path| above.is_above(path)).count());
        }
    }

    #[test]
    fn the_order_of_paths_is_total(a in any_path(), b in any_path(), c in any_path()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&b).is_eq(), a == b);
        let mut sorted = [a, b, c];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[2]);
    }

    #[test]
    fn the_order_of_values_is_total(a in value(), b in value(), c in value()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&b).is_eq(), a == b);
        let mut sorted = [a, b, c];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[2]);
    }

    #[test]
    fn a_set_does_not_depend_on_order(mut items in proptest::collection::vec(value(), 0..6)) {
        let expected: BTreeSet<_> = items.iter().cloned().collect();
        let set = Value::set(items.clone());
        items.reverse();
        prop_assert_eq!(&Value::set(items), &set);
        prop_assert_eq!(set, Value::Set(expected.into_iter().collect()));
    }
}

#[test]
fn what_is_removed_from_a_tree_leaves_nothing_behind() {
    let object = |members: &[(&str, Value)]| {
        Value::object(members.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect())
    };
    let one = || Value::Number(Decimal::ONE);
    let mut tree = Tree::new();
    tree.insert(&path("a"), one());
    tree.insert(&path("o.x"), one());
    tree.insert(&path("o.p.q"), one());
    tree.insert(&path("l"), Value::List([object(&[("s", one()), ("t", one())]), one()].into()));
    let without = |own: &str| {
        let mut tree = tree.clone();
        tree.remove(&path(own));
        tree
    };
    let has = |tree: &Tree, own: &str| {
        let mut at = Some(tree);
        for segment in path(own).segments() {
            at = match at {
                Some(Tree::Node(children)) => children.get(&*segment),
                _ => None,
            };
        }
        at.cloned()
    };
    assert_eq!(has(&without("a"), "a"), None);
    assert_eq!(has(&without("o.x"), "o.x"), None);
    assert!(has(&without("o.x"), "o.p.q").is_some());
    assert_eq!(has(&without("o.p.q"), "o.p"), None, "the emptied node goes too");
    assert_eq!(has(&without("o"), "o"), None);
    assert_eq!(without("unknown"), tree);
    assert_eq!(without("a.b"), tree, "nothing lies below a plain value");
    assert_eq!(without("o.x.y"), tree);
    let stripped = Value::List([object(&[("s", one())]), one()].into());
    assert_eq!(has(&without("l.t"), "l"), Some(Tree::Leaf(stripped)));
}

#[test]
fn members_of_sets_have_paths_that_no_name_makes() {
    let micros = |micros| Value::Timestamp(crate::time::Timestamp::from_micros(micros).expect("an instant"));
    let set = path(r"a\.b.c");
    let members = [
        Value::text(""),
        Value::text("sail"),
        Value::text(r"a.b\c.\=d"),
        Value::text("1"),
        Value::Number(Decimal::ONE),
        Value::Number(number("-0.5")),
        Value::Bool(true),
        Value::Bool(false),
        micros(-7),
    ];
    let mut seen = BTreeSet::new();
    for member in members {
        let own = set.member(&member).expect("a member");
        assert!(own.is_member() && set.is_above(&own) && own.depth() == set.depth() + 1, "{}", own.as_str());
        assert_eq!(own.split_member(), Some((set.clone(), member)));
        assert_eq!(Path::parse_stored(own.as_str()), Ok(own.clone()));
        assert_eq!(Path::parse(own.as_str()), Err(InvalidPath::Escape), "no name makes it: {}", own.as_str());
        assert_eq!(format!("{own} {own:?}"), r"a\.b.c.*** a\.b.c.***");
        assert!(seen.insert(own));
    }
    assert_eq!(set.member(&Value::Number(number("1.0"))), set.member(&Value::Number(Decimal::ONE)));
    for name in ["=tx", r"\=tx", "\\.=", ".", "t"] {
        let own = set.child(name).expect("a path");
        assert!(!own.is_member() && Path::parse_stored(own.as_str()) == Ok(own.clone()), "{name}");
    }
    for wrong in [
        r"a.\=",
        r"a.\=x",
        r"a.\=n1.5",
        r"a.\=nx",
        r"a.\=b2",
        r"a.\=i",
        r"\=tx",
        r"a.\=tx.b",
        r"a.\=tx.\=ty",
        r"a.b\=tx",
    ] {
        assert!(Path::parse_stored(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn members_of_sets_have_bounds() {
    let check = |set: &Path, member: &Value, expected: Option<InvalidMember>| {
        assert_eq!(set.member(member).err(), expected, "{set}");
    };
    let text = |bytes: usize| Value::text(&"x".repeat(bytes));
    check(&path("a"), &text(500), None);
    check(&path("a"), &text(501), Some(InvalidMember::TooLong));
    check(&path("a"), &Value::text(&".".repeat(500)), Some(InvalidMember::TooLong));
    let long = Path::from_segments(["x".repeat(200).as_str(); 4]).expect("a path");
    check(&long, &text(100), None);
    check(&long, &text(200), Some(InvalidMember::TooLong));
    check(&Path::from_segments(["a"; 15]).expect("a path"), &text(1), None);
    check(&Path::from_segments(["a"; 16]).expect("a path"), &text(1), Some(InvalidMember::TooDeep));
    for value in [Value::Null, Value::List([].into()), Value::set(Vec::new()), Value::object(Vec::new())] {
        check(&path("a"), &value, Some(InvalidMember::NotAScalar));
    }
}

#[test]
fn the_mark_of_an_object_stands_beside_its_path() {
    for text in ["a", r"a\.b.c", "a.b"] {
        let own = path(text);
        let mark = own.object_mark().expect("there is room");
        assert!(mark.is_object_mark() && !mark.is_member() && !own.is_object_mark() && own.is_above(&mark));
        assert_eq!((mark.split_member(), mark.object_mark()), (None, None));
        assert_eq!((&*mark.spoken_of(), &*own.spoken_of()), (&own, &own));
        assert_eq!(Path::parse_stored(mark.as_str()), Ok(mark.clone()));
        assert!(Path::parse(mark.as_str()).is_err(), "no name makes it");
        assert!(mark.cmp_spoken_of(&own).is_eq() && own.cmp_spoken_of(&mark).is_eq());
        assert!(mark.cmp_spoken_of(&own.child("A").expect("a path")).is_lt());
    }
    let member = path("a").member(&Value::text("o")).expect("a member");
    assert!(member.is_member() && !member.is_object_mark());
    assert_eq!(path(&"x".repeat(200)).object_mark().map(|mark| mark.as_str().len()), Some(204));
    let longest = ["x".repeat(199).as_str(); 5].join(".");
    assert_eq!(path(&longest).object_mark(), None);
}
