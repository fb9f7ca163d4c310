//! What a profile shows.

use crate::check;

#[test]
fn the_newest_says_what_is_there_whatever_comes_first() {
    check("user_id:u name='Ann' t=2\n user_id:u name='Anna' t=1", "user_id:u {name: 'Ann'}");
    check("user_id:u name='Ann' t=1\n user_id:u name='Anna' t=2 in=crm", "user_id:u {name: 'Anna'}");
    check("user_id:u email:e@x name='Ann' t=1\n email:e@x name='Anna' t=2", "user_id:u email:e@x {name: 'Anna'}");
}

#[test]
fn null_removes_what_is_older() {
    check("user_id:u name='Ann' age=7 t=1\n user_id:u name=null t=2", "user_id:u {age: 7}");
    check("user_id:u name='Ann' t=2\n user_id:u name=null t=1", "user_id:u {name: 'Ann'}");
    check("user_id:u a.b='x' a.c='y' t=1\n user_id:u a=null t=2", "user_id:u");
}

#[test]
fn objects_are_merged_leaf_by_leaf() {
    check(
        "user_id:u address.city='Paris' address.zip='75001' t=1\n user_id:u address.city='Lyon' t=2",
        "user_id:u {address: {city: 'Lyon', zip: '75001'}}",
    );
    check("user_id:u a={} t=1\n user_id:u a.b='x' t=2", "user_id:u {a: {b: 'x'}}");
    check("user_id:u a.b='x' t=1\n user_id:u a={} t=2", "user_id:u {a: {b: 'x'}}");
}

#[test]
fn a_scalar_over_an_object_and_back() {
    check("user_id:u a.b='x' a.c='y' t=1\n user_id:u a=7 t=2", "user_id:u {a: 7}");
    check("user_id:u a.b='x' t=1\n user_id:u a=7 t=2\n user_id:u a.c='z' t=3", "user_id:u {a: {c: 'z'}}");
    check("user_id:u a=7 t=2\n user_id:u a.b='x' t=1", "user_id:u {a: 7}");
}

#[test]
fn facts_stay_with_their_owner_when_profiles_part() {
    check(
        "
        user_id:u1 device_id:d@observed t=5
        device_id:d colour='red' t=1 call
        user_id:u1 name='Ann' t=2 call
        user_id:u2 device_id:d t=9
        ",
        "
        user_id:u1 {name: 'Ann'} events=1
        user_id:u2 device_id:d {colour: 'red'} events=1
        ",
    );
}

#[test]
fn a_fact_may_be_all_that_its_dataset_says_of_its_owner() {
    check("user_id:u a.b='x' c=1 t=1\n user_id:u a.d='y' whole t=2", "user_id:u {a: {d: 'y'}}");
    check("user_id:u c=1 in=crm t=1\n user_id:u a=1 whole t=2", "user_id:u {a: 1, c: 1}");
    check("email:e@x c=1 t=1\n user_id:u email:e@x a=1 whole t=2", "user_id:u email:e@x {a: 1, c: 1}");
    // What is newer than it stays, and what it says below a name replaces what stood there.
    check("user_id:u c=1 t=2\n user_id:u a=1 whole t=1", "user_id:u {a: 1, c: 1}");
    check("user_id:u a=7 c=1 t=1\n user_id:u a.b='x' whole t=2", "user_id:u {a: {b: 'x'}}");
    // What other datasets say shows again, also of what its dataset had removed.
    check("user_id:u c=1 in=crm t=1\n user_id:u c=2 t=2\n user_id:u a=1 whole t=3", "user_id:u {a: 1, c: 1}");
    check("user_id:u c=1 in=crm t=1\n user_id:u c=null t=2\n user_id:u a=1 whole t=3", "user_id:u {a: 1, c: 1}");
    // What was said before it and comes later is replaced as well, by the newest of several, also where that says nothing.
    check("user_id:u a=1 whole t=3\n user_id:u a=2 c=2 t=2\n user_id:u d=4 t=4", "user_id:u {a: 1, d: 4}");
    check("user_id:u whole t=3\n user_id:u c=2 t=2\n user_id:u c=1 in=crm t=1", "user_id:u {c: 1}");
    check("user_id:u a=3 whole t=3\n user_id:u b=2 whole t=2\n user_id:u b=1 t=1", "user_id:u {a: 3}");
    check("user_id:u b=2 whole t=2\n user_id:u a=3 whole t=3\n user_id:u c=2.5 t=1", "user_id:u {a: 3}");
}
