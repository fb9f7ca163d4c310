//! The functions of the language: their names and arguments, in one table that parser, printer, checker and JSON share.

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Membership in a list.
    In,
    /// Both are there, and not [`Self::In`].
    NotIn,
    /// The whole text, `%` any run of characters, `_` one.
    Like,
    /// A pattern is found in the text.
    Matches,
    /// What a group of a pattern caught at its first match.
    RegexGroup,
    /// The text begins so.
    StartsWith,
    /// Both are there, and not [`Self::StartsWith`].
    DoesNotStartWith,
    /// The text ends so.
    EndsWith,
    /// Both are there, and not [`Self::EndsWith`].
    DoesNotEndWith,
    /// The text has this in it.
    Contains,
    /// Both are there, and not [`Self::Contains`].
    DoesNotContain,
    /// The texts are equal.
    Equals,
    /// Both are there, and not [`Self::Equals`].
    NotEqualTo,
    /// The lists have a common item.
    Intersects,
    /// The common items, nothing when there are none.
    Intersection,
    /// Each item is in the other list.
    SubsetOf,
    /// Each item of the other list is in this one.
    SupersetOf,
    /// The list has this item.
    Includes,
    /// Each item once, in the order of values.
    Distinct,
    /// Items by what the body gives for them.
    GroupBy,
    /// What the body gives for each item.
    Map,
    /// The items with the highest values, highest first.
    TopN,
    /// The items with the lowest values, lowest first.
    BottomN,
    /// The first item.
    Head,
    /// Whether the body holds for an item.
    Exists,
    /// How many items there are.
    Count,
    /// The sum of what is a number.
    Sum,
    /// The mean of what is a number.
    Average,
    /// The least of what is a number or an instant.
    Min,
    /// The greatest of what is a number or an instant.
    Max,
    /// The value that comes most often, the least of those that come equally often. Ours.
    MostFrequent,
    /// The value at a key.
    Get,
    /// The keys of a map, sorted.
    Keys,
    /// The values of a map, in the order of its keys.
    Values,
    /// A key and its value, inside `map`.
    MapEntry,
    /// It is not there.
    IsNull,
    /// It is there.
    IsNotNull,
    /// The month of the evaluation, 1 to 12.
    CurrentMonth,
    /// The year of the evaluation.
    CurrentYear,
    /// The day of the month of the evaluation.
    CurrentDayOfMonth,
    /// The month of an instant, 1 to 12.
    GetMonth,
    /// The year of an instant.
    GetYear,
    /// The day of the month of an instant.
    GetDayOfMonth,
    /// A day, from its first instant to its last.
    Date,
    /// Whether the profile is in a segment.
    InSegment,
    /// When it came into a segment that it is in. Ours.
    EnteredSegment,
    /// When it last left a segment. Ours.
    LeftSegment,
    /// How many whole days it is from an instant to another; less than none when the other is earlier. Ours.
    DaysUntil,
    /// How many visits events make: one goes on while no two events of it are further apart than so many minutes. Ours.
    Visits,
    /// A number, a truth or an instant as a text; a text is itself, and anything else nothing. Ours.
    ToText,
    /// The number that a text spells; a number is itself, a truth 1 or 0, and anything else nothing. Ours.
    ToNumber,
    /// The text in capital letters. Ours.
    Upper,
    /// The text in small letters. Ours.
    Lower,
    /// How many characters a text has. Ours.
    Length,
    /// The characters of a text from a place on, the first of which is 1, and so many of them or all that follow. Ours.
    Substring,
    /// The text without blanks at its beginning and end. Ours.
    Trim,
    /// The number with so many decimal places, or none; halves are rounded away from zero. Ours.
    Round,
    /// The first of these that is there. Ours.
    Coalesce,
    /// The number in the middle of what is a number, the mean of the two in the middle of an even count. Ours.
    Median,
    /// The number below which so many of a hundred lie, as by a straight line between the two next to it. Ours.
    Percentile,
}

/// How a function is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `a in b`
    Infix,
    /// `a.f(b)`
    Method,
    /// `f(a)`
    Plain,
}

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// A value, computed once.
    Value,
    /// Something computed for each item of the receiver, which it speaks of.
    Body,
}

/// What the language knows of a function before it is evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// The function.
    pub function: Function,
    /// Its name, in the letters that are printed.
    pub name: &'static str,
    /// How it is written.
    pub form: Form,
    /// Its arguments, the receiver of a method or the left side of an infix first.
    pub arguments: &'static [Argument],
    /// How many of them there must be; the others may be left out.
    pub required: usize,
}

const fn spec(
    function: Function,
    name: &'static str,
    form: Form,
    arguments: &'static [Argument],
    required: usize,
) -> Spec {
    Spec { function, name, form, arguments, required }
}

const NONE: &[Argument] = &[];
const V: &[Argument] = &[Argument::Value];
const VV: &[Argument] = &[Argument::Value, Argument::Value];
const VVV: &[Argument] = &[Argument::Value, Argument::Value, Argument::Value];
const VB: &[Argument] = &[Argument::Value, Argument::Body];
const EIGHT: &[Argument] = &[Argument::Value; 8];
const VBV: &[Argument] = &[Argument::Value, Argument::Body, Argument::Value];

/// In the order of [`Function`], which [`Function::spec`] counts on and a test holds.
const TABLE: [Spec; 60] = {
    use Form::{Infix, Method, Plain};
    use Function as F;
    [
        spec(F::In, "in", Infix, VV, 2),
        spec(F::NotIn, "notIn", Infix, VV, 2),
        spec(F::Like, "like", Infix, VV, 2),
        spec(F::Matches, "matches", Method, VV, 2),
        spec(F::RegexGroup, "regexGroup", Method, VVV, 3),
        spec(F::StartsWith, "startsWith", Method, VVV, 2),
        spec(F::DoesNotStartWith, "doesNotStartWith", Method, VVV, 2),
        spec(F::EndsWith, "endsWith", Method, VVV, 2),
        spec(F::DoesNotEndWith, "doesNotEndWith", Method, VVV, 2),
        spec(F::Contains, "contains", Method, VVV, 2),
        spec(F::DoesNotContain, "doesNotContain", Method, VVV, 2),
        spec(F::Equals, "equals", Method, VVV, 2),
        spec(F::NotEqualTo, "notEqualTo", Method, VVV, 2),
        spec(F::Intersects, "intersects", Method, VV, 2),
        spec(F::Intersection, "intersection", Method, VV, 2),
        spec(F::SubsetOf, "subsetOf", Method, VV, 2),
        spec(F::SupersetOf, "supersetOf", Method, VV, 2),
        spec(F::Includes, "includes", Method, VV, 2),
        spec(F::Distinct, "distinct", Method, V, 1),
        spec(F::GroupBy, "groupBy", Method, VB, 2),
        spec(F::Map, "map", Method, VB, 2),
        spec(F::TopN, "topN", Method, VBV, 3),
        spec(F::BottomN, "bottomN", Method, VBV, 3),
        spec(F::Head, "head", Method, V, 1),
        spec(F::Exists, "exists", Method, VB, 2),
        spec(F::Count, "count", Method, V, 1),
        spec(F::Sum, "sum", Method, VB, 1),
        spec(F::Average, "average", Method, VB, 1),
        spec(F::Min, "min", Method, VB, 1),
        spec(F::Max, "max", Method, VB, 1),
        spec(F::MostFrequent, "mostFrequent", Method, VB, 1),
        spec(F::Get, "get", Method, VV, 2),
        spec(F::Keys, "keys", Method, V, 1),
        spec(F::Values, "values", Method, V, 1),
        spec(F::MapEntry, "mapEntry", Plain, VV, 2),
        spec(F::IsNull, "isNull", Method, V, 1),
        spec(F::IsNotNull, "isNotNull", Method, V, 1),
        spec(F::CurrentMonth, "currentMonth", Plain, NONE, 0),
        spec(F::CurrentYear, "currentYear", Plain, NONE, 0),
        spec(F::CurrentDayOfMonth, "currentDayOfMonth", Plain, NONE, 0),
        spec(F::GetMonth, "getMonth", Method, V, 1),
        spec(F::GetYear, "getYear", Method, V, 1),
        spec(F::GetDayOfMonth, "getDayOfMonth", Method, V, 1),
        spec(F::Date, "date", Plain, VVV, 3),
        spec(F::InSegment, "inSegment", Plain, V, 1),
        spec(F::EnteredSegment, "enteredSegment", Plain, V, 1),
        spec(F::LeftSegment, "leftSegment", Plain, V, 1),
        spec(F::DaysUntil, "daysUntil", Method, VV, 2),
        spec(F::Visits, "visits", Method, VV, 2),
        spec(F::ToText, "toText", Method, V, 1),
        spec(F::ToNumber, "toNumber", Method, V, 1),
        spec(F::Upper, "upper", Method, V, 1),
        spec(F::Lower, "lower", Method, V, 1),
        spec(F::Length, "length", Method, V, 1),
        spec(F::Substring, "substring", Method, VVV, 2),
        spec(F::Trim, "trim", Method, V, 1),
        spec(F::Round, "round", Method, VV, 1),
        spec(F::Coalesce, "coalesce", Plain, EIGHT, 2),
        spec(F::Median, "median", Method, VB, 1),
        spec(F::Percentile, "percentile", Method, VBV, 3),
    ]
};

impl Function {
    /// What is known of it.
    #[must_use]
    pub const fn spec(self) -> &'static Spec {
        &TABLE[self as usize]
    }

    /// All functions, with what is known of each.
    #[must_use]
    pub fn all() -> &'static [Spec] {
        &TABLE
    }

    /// The function of this name in this form; names keep their case.
    #[must_use]
    pub fn find(name: &str, form: Form) -> Option<Self> {
        Self::all().iter().find(|spec| spec.form == form && spec.name == name).map(|spec| spec.function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_functions() {
        for (place, spec) in Function::all().iter().enumerate() {
            assert_eq!(spec.function as usize, place, "{}", spec.name);
            assert!(spec.required <= spec.arguments.len(), "{}", spec.name);
            assert!(std::ptr::eq(spec.function.spec(), spec));
            assert_eq!(Function::find(spec.name, spec.form), Some(spec.function));
        }
    }
}
