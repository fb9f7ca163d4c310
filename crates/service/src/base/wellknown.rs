//! Attributes that many senders know under different names, and the one name that they have here.

use std::collections::HashMap;
use std::sync::LazyLock;

use tessera_engine::value::Path;

/// An attribute of our own naming, and the other names that it comes under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// The path that it is kept and shown at.
    pub name: &'static str,
    /// The paths that mean the same when they come in.
    pub spellings: &'static [&'static str],
}

const fn same(name: &'static str) -> Attribute {
    Attribute { name, spellings: &[] }
}

const fn known_as(name: &'static str, spellings: &'static [&'static str]) -> Attribute {
    Attribute { name, spellings }
}

/// The well-known attributes of persons and accounts.
pub const ATTRIBUTES: &[Attribute] = &[
    same("name"),
    known_as("first_name", &["firstName", "firstname", "given_name", "givenName"]),
    known_as("last_name", &["lastName", "lastname", "family_name", "familyName"]),
    same("email"),
    same("phone"),
    same("username"),
    same("title"),
    same("description"),
    same("website"),
    same("avatar"),
    same("age"),
    same("birthday"),
    same("gender"),
    known_as("created_at", &["createdAt", "createdat"]),
    same("address.street"),
    same("address.city"),
    same("address.state"),
    known_as("address.postal_code", &["address.postalCode", "address.postalcode"]),
    same("address.country"),
    same("company"),
    same("company.id"),
    same("company.name"),
    same("company.industry"),
    known_as("company.employees", &["company.employee_count", "company.employeeCount"]),
    same("company.plan"),
    same("industry"),
    same("employees"),
    same("plan"),
];

/// Our name of an attribute, itself where it has no other. Names are compared exactly.
#[must_use]
pub fn canonical(path: &Path) -> Path {
    static BY_SPELLING: LazyLock<HashMap<&'static str, Path>> = LazyLock::new(|| {
        let path = |name| Path::parse(name).expect("the names of the table are paths");
        let pairs = |attribute: &'static Attribute| {
            attribute.spellings.iter().map(move |spelling| (*spelling, path(attribute.name)))
        };
        ATTRIBUTES.iter().flat_map(pairs).collect()
    });
    BY_SPELLING.get(path.as_str()).unwrap_or(path).clone()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_become_ours() {
        for (name, expected) in [
            ("firstName", "first_name"),
            ("first_name", "first_name"),
            ("createdAt", "created_at"),
            ("address.postalCode", "address.postal_code"),
            ("company.employee_count", "company.employees"),
            ("postalCode", "postalCode"),
            ("favouriteColour", "favouriteColour"),
            ("x.firstName", "x.firstName"),
            ("address\\.postalCode", "address\\.postalCode"),
        ] {
            let path = Path::parse(name).expect("a path");
            assert_eq!(canonical(&path).as_str(), expected, "{name}");
        }
    }

    #[test]
    fn every_name_means_one_attribute() {
        let mut seen = HashSet::new();
        for attribute in ATTRIBUTES {
            assert!(Path::parse(attribute.name).is_ok_and(|path| canonical(&path) == path), "{}", attribute.name);
            for name in attribute.spellings.iter().chain([&attribute.name]) {
                assert!(seen.insert(*name), "{name}");
            }
        }
    }
}
