//! Three datasets, two graphs: source | policy | cells | view | what decided.
//!
//! `2.6.n` is point n of section 2.6 of the Adobe specification; `T` is section 6 (time) of the architecture; `P` the merge
//! policies of the work order (rules of attributes, null, leaves); `V` the rule of values above and below each other.

use super::*;

fn check(row: &str) {
    let columns: Vec<&str> = row.split('|').map(str::trim).collect();
    let [_, policy, cells, expected, reasons] = columns[..] else { panic!("five columns: {row}") };
    let (policy, node) = super::policy(policy);
    let mut cells: Vec<Said> = cells.split_whitespace().map(said).collect();
    for _ in 0..2 {
        let cluster = cluster(cells.iter().cloned());
        let folded = view(&cluster, node, &policy);
        assert_eq!(show(&folded), expected, "the view of {row}");
        let mut roots: Vec<String> =
            cells.iter().filter_map(|(_, _, cell)| cell.path.segments().next().map(Into::into)).collect();
        roots.sort();
        roots.dedup();
        let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
        assert_eq!(show(&explained(&cluster, node, &policy, &roots)), expected, "the explanation of {row}");
        for reason in reasons.split_whitespace() {
            let (own, word) = reason.split_once('=').expect("path=reason");
            let explanation = explain(&cluster, node, &lens(&policy), &path(own));
            let attribute = explanation.attributes.iter().find(|attribute| attribute.path == path(own));
            assert_eq!(attribute.map(|attribute| why(&attribute.fate)).as_deref(), Some(word), "why in {row}");
        }
        cells.reverse();
    }
}

fn check_all(rows: &str, at_least: usize) {
    let rows: Vec<&str> = rows.lines().map(str::trim).filter(|row| !row.is_empty()).collect();
    assert!(rows.len() >= at_least, "the table has {} rows", rows.len());
    rows.into_iter().for_each(check);
}

#[test]
fn policy_table_of_graphs_and_datasets() {
    check_all(
        "
        2.6.1 | full newest | 1.crm:a=1@1 | {a:1} | a=OnlyOne
        2.6.1 | full newest | 1.crm:a=1@2 1.crm:a=2@3 | {a:2} | a=OnlyOne
        2.6.1 | full newest | 1.crm:a=1@3 1.crm:a=2@2 | {a:1} | a=OnlyOne
        2.6.1 | full newest | 1.crm:a=1@1 1.web:b=2@2 1.app:c=3@3 | {a:1 b:2 c:3} | a=OnlyOne
        2.6.2 | full newest | 1.crm:a=1@1 2.web:b=2@2 | {a:1 b:2} | b=OnlyOne
        2.6.2 | full2 newest | 1.crm:a=1@1 2.web:b=2@2 | {a:1 b:2} | a=OnlyOne
        2.6.2 | full newest | 1.crm:a=1@1 3.crm:a=9@9 | {a:1} | a=OnlyOne
        2.6.2 | none newest | 1.crm:a=1@1 2.web:b=2@2 | {a:1} | a=OnlyOne
        2.6.2 | none2 newest | 1.crm:a=1@1 2.web:b=2@2 | {b:2} | b=OnlyOne
        2.6.2 | none newest | 1.crm:a=1@1 2.crm:a=2@2 | {a:1} | a=OnlyOne
        2.6.2 | none newest | 1.crm:a=1@1 1.web:a=2@2 2.app:a=3@3 | {a:2} | a=Newest
        2.6.2 | none newest | 2.crm:a=1@1 | {} |
        2.6.2 | none newest | 1.crm:a=1@1 2.web:a=null@2 | {a:1} | a=OnlyOne
        2.6.2 | none precedence crm,web | 2.crm:a=1@1 1.web:a=2@2 | {a:2} | a=OnlyOne
        2.6.2 | none newest; a: max | 1.crm:a=1@1 2.crm:a=9@1 | {a:1} | a=OnlyOne
        2.6.2 | none newest; a: union | 1.crm:a=[1]@1 1.web:a=[2]@2 2.crm:a=[3]@1 | {a:[1,2]} | a=Union
        2.6.3 | full newest | 1.crm:a=1@1 1.web:a=2@2 1.app:a=3@3 | {a:3} | a=Newest
        2.6.3 | full newest | 1.crm:a=1@3 1.web:a=2@2 2.app:a=3@1 | {a:1} | a=Newest
        2.6.3 | full newest | 1.crm:a=1@1 2.crm:a=2@2 | {a:2} | a=Newest
        2.6.3 | full newest | 1.crm:a=1@1 1.web:a=2@2 1.crm:b=3@3 1.web:b=4@2 | {a:2 b:3} | a=Newest b=Newest
        2.6.3 T | full newest | 1.crm:a=1@~5 1.web:a=2@4 | {a:1} | a=Newest
        2.6.3 T | full newest | 1.crm:a=1@~5 1.web:a=2@~6 | {a:2} | a=Newest
        2.6.3 T | full newest | 1.crm:a=1@~5 1.web:a=2@6 | {a:2} | a=Newest
        T | full newest | 1.crm:a=1@5 1.web:a=2@5 | {a:2} | a=Bytes
        T | full newest | 1.crm:a=2@5 1.web:a=1@~5 | {a:2} | a=Bytes
        T | full newest | 1.crm:a='x'@5 2.crm:a='x'@5 | {a:'x'} | a=Same
        2.6.3 | full precedence crm,web,app | 1.crm:a=1@1 1.web:a=2@2 1.app:a=3@3 | {a:1} | a=Precedence
        2.6.3 | full precedence app,web,crm | 1.crm:a=1@9 1.web:a=2@2 1.app:a=3@3 | {a:3} | a=Precedence
        2.6.3 | full precedence crm,web | 1.web:a=2@2 1.app:a=3@3 | {a:2} | a=OnlyOne
        2.6.3 | full precedence crm,web | 1.app:a=3@3 | {} | a=NotListed
        2.6.3 | full precedence crm | 1.crm:a=1@1 1.web:b=2@2 | {a:1} | b=NotListed
        2.6.3 | full precedence crm,web | 1.crm:a=1@1 1.web:b=2@2 1.app:c=3@3 | {a:1 b:2} | c=NotListed
        2.6.3 | full precedence crm,web | 1.crm:a=1@1 2.crm:a=2@2 1.web:a=3@3 | {a:2} | a=Newest
        2.6.3 T | full precedence crm,web | 1.crm:a=1@2 2.crm:a=2@2 1.web:a=3@3 | {a:2} | a=Bytes
        2.6.3 | full precedence crm,web | 2.crm:a=1@1 1.web:a=3@3 | {a:1} | a=Precedence
        2.6.3 | none precedence crm,web | 1.app:a=1@1 | {} | a=NotListed
        2.6.3 | none2 precedence web,crm | 2.crm:a=1@9 2.web:a=2@1 1.web:a=3@5 | {a:2} | a=Precedence
        2.6.3 | full precedence crm,web; a: newest | 1.crm:a=1@1 1.web:a=2@2 1.app:a=3@3 | {a:2} | a=Newest
        2.6.3 | full precedence crm,web; a: max | 1.crm:a=1@1 1.web:a=2@2 1.app:a=3@3 | {a:2} | a=Max
        ",
        35,
    );
}

#[test]
fn policy_table_of_objects_lists_and_null() {
    check_all(
        "
        2.6.4 | full newest | 1.crm:o.x=1@1 1.web:o.y=2@2 | {o:{x:1 y:2}} | o.x=OnlyOne
        2.6.4 | full newest | 1.crm:o.x=1@3 1.crm:o.y=1@1 1.web:o.x=2@2 1.web:o.y=2@2 | {o:{x:1 y:2}} | o.x=Newest
        2.6.4 | full precedence crm,web | 1.crm:o.x=1@1 1.web:o.x=2@2 1.web:o.y=2@2 | {o:{x:1 y:2}} | o.y=OnlyOne
        2.6.4 | none newest | 1.crm:o.x=1@1 1.web:o.y=2@2 2.app:o.z=3@3 | {o:{x:1 y:2}} | o.y=OnlyOne
        2.6.4 | full newest | 1.crm:l=[1,2]@1 1.web:l=[3]@2 | {l:[3]} | l=Newest
        2.6.4 | full newest | 1.crm:l=[1,2]@1 1.web:l=[]@2 | {l:[]} | l=Newest
        2.6.4 | full precedence crm,web | 1.crm:l=[1,2]@1 1.web:l=[3]@2 | {l:[1,2]} | l=Precedence
        2.6.4 | full newest | 1.crm:s=<2,1>@2 1.web:s=<3>@1 | {s:<1,2>} | s=Newest
        P | full newest | 1.crm:a=1@1 1.web:a=null@2 | {} | a=Removed(Newest)
        P | full newest | 1.crm:a=1@3 1.web:a=null@2 | {a:1} | a=Newest
        P T | full newest | 1.crm:a=1@2 1.web:a=null@2 | {a:1} | a=Bytes
        P | full precedence crm,web | 1.crm:a=null@1 1.web:a=2@2 | {} | a=Removed(Precedence)
        P | full precedence crm,web | 1.crm:a=1@1 1.web:a=null@2 | {a:1} | a=Precedence
        P | full precedence crm,web | 1.crm:a=1@1 1.app:a=null@2 | {a:1} | a=OnlyOne
        P | full newest; a: source crm,web | 1.crm:a=null@1 1.web:a=2@2 | {} | a=Removed(SourcePriority)
        P | full newest; a: min | 1.crm:a=1@1 1.web:a=null@2 1.app:a=3@3 | {a:3} | a=OnlyOne
        P | full newest; a: min | 1.crm:a=1@1 1.web:a=null@2 | {} | a=Removed(Removed)
        P | full newest; a: max | 1.crm:a=9@1 1.web:a=null@2 1.app:a=3@2 | {a:3} | a=OnlyOne
        P | full newest; a: first | 1.crm:a=1@1 1.web:a=null@2 1.app:a=3@3 2.app:a=4@4 | {a:3} | a=Oldest
        P | full newest; a: union | 1.crm:a=[1]@1 1.web:a=null@2 1.app:a=[3]@3 | {a:[3]} | a=OnlyOne
        P | full newest; a: frequent | 1.crm:a=1@1 2.crm:a=1@1 1.web:a=null@2 1.app:a=3@3 | {a:3} | a=OnlyOne
        P | full newest; a: min | 1.crm:a=null@1 1.web:a=5@2 1.app:a=3@3 | {a:3} | a=Min
        V | full newest | 1.crm:a=1@1 1.web:a.b=2@2 | {a:{b:2}} | a=Ended(a.b)
        V | full newest | 1.crm:a=1@2 1.web:a.b=2@1 | {a:1} | a.b=Ended(a)
        V | full newest | 1.crm:a=1@2 1.web:a.b=2@2 | {a:1} | a.b=Ended(a)
        V | full newest | 1.crm:a={}@2 1.web:a.b=2@1 | {a:{b:2}} | a=Filled a.b=OnlyOne
        V | full newest | 1.crm:a={}@2 | {a:{}} | a=OnlyOne
        V | full newest | 1.crm:a=null@2 1.web:a.b=2@1 1.web:a.c=3@3 | {a:{c:3}} | a=Ended(a.c) a.b=Ended(a)
        V | full newest | 1.crm:a.x=1@1 1.web:a=2@2 1.app:a.y=3@3 | {a:{y:3}} | a.x=Ended(a) a=Ended(a.y)
        V | full precedence crm,web | 1.crm:a=1@1 1.web:a.b=2@2 | {a:1} | a.b=Ended(a)
        V | full precedence crm,web | 1.crm:a.b=1@1 1.web:a=2@2 | {a:{b:1}} | a=Ended(a.b)
        V | full precedence crm,web | 1.crm:a.b=1@1 2.crm:a=2@2 | {a:2} | a.b=Ended(a)
        V | full precedence crm,web | 1.crm:a=null@1 1.web:a.b=2@2 | {} | a.b=Ended(a)
        V | full precedence crm,web | 1.crm:a.b=1@1 1.app:a=2@2 | {a:{b:1}} | a=NotListed
        V | none newest | 1.crm:a.b=1@1 2.web:a=2@2 | {a:{b:1}} | a.b=OnlyOne
        V | full newest; a: source crm,web | 1.web:a='x'@5 1.crm:a.b=1@1 | {a:{b:1}} | a=Ended(a.b)
        V | full newest; a: first | 1.crm:a=1@1 1.web:a.b=2@2 | {a:1} | a.b=Ended(a)
        V | full newest; a: first | 1.crm:a=null@2 1.web:a.b=1@1 | {} | a=Removed(Removed) a.b=Ended(a)
        V | full newest; a: first | 1.crm:a=null@2 1.web:a.b=1@3 | {a:{b:1}} | a.b=OnlyOne
        V | full newest; a: min | 1.crm:a=null@2 1.web:a.b=1@1 1.app:a.b=5@3 | {a:{b:5}} | a.b=OnlyOne
        V | full newest; a: min | 1.crm:a=1@1 1.web:a=5@6 1.app:a.b=2@4 | {a:1} | a=Min a.b=Ended(a)
        V | full newest; a.b: min | 1.crm:a=1@5 1.web:a.b=2@1 1.app:a.b=3@6 | {a:{b:2}} | a=Ended(a.b) a.b=Min
        V | full newest; a.b: source crm | 1.app:a=0@4 1.web:a.b=1@9 1.crm:a.b.c=2@1 | {a:0} | a.b=Ended(a.b.c) a.b.c=Ended(a)
        ",
        40,
    );
}

#[test]
fn policy_table_of_attribute_rules() {
    check_all(
        "
        P | full precedence crm,web; a: newest | 1.crm:a=1@1 1.web:a=2@2 | {a:2} | a=Newest
        P | full newest; a: first | 1.crm:a=1@1 1.web:a=2@2 1.app:a=3@3 | {a:1} | a=Oldest
        P T | full newest; a: first | 1.crm:a=1@1 1.web:a=2@1 1.app:a=3@3 | {a:2} | a=Bytes
        P | none2 newest; a: first | 1.crm:a=1@1 2.web:a=2@2 2.app:a=3@3 | {a:2} | a=Oldest
        P | full newest; a: min | 1.crm:a=3@1 1.web:a=1@2 2.app:a=2@3 | {a:1} | a=Min
        P | full newest; a: max | 1.crm:a=3@1 1.web:a=1@2 2.app:a=2@3 | {a:3} | a=Max
        P | full newest; a: max | 1.crm:a=10@1 1.web:a=9@2 | {a:10} | a=Max
        P | full newest; a: max | 1.crm:a='10'@1 1.web:a='9'@2 | {a:'9'} | a=Max
        P | full newest; a: min | 1.crm:a=true@1 1.web:a=false@2 | {a:false} | a=Min
        P | full newest; a: min | 1.crm:a='1'@1 1.web:a=9@2 | {a:9} | a=Min
        P | full newest; a: min | 1.crm:a=3@1 2.web:a=3@2 | {a:3} | a=Same
        P | full newest; a: union | 1.crm:a=[2,1]@1 1.web:a=[3,2]@2 | {a:[2,1,3]} | a=Union
        P | full newest; a: union | 1.crm:a=[2,1]@2 1.web:a=[3,2]@1 | {a:[3,2,1]} | a=Union
        P | full newest; a: union | 1.crm:a=<2,1>@1 1.web:a=<3,2>@2 | {a:<1,2,3>} | a=Union
        P | full newest; a: union | 1.crm:a=[2,1]@1 1.web:a=<3>@2 2.app:a=4@3 | {a:<1,2,3,4>} | a=Union
        P | full newest; a: union | 1.crm:a='x'@1 1.web:a='y'@2 1.app:a='x'@3 | {a:<'x','y'>} | a=Union
        P | full newest; a: union | 1.crm:a='x'@1 | {a:<'x'>} | a=OnlyOne
        P | full newest; a: union | 1.crm:a=[1,1]@1 | {a:[1]} | a=OnlyOne
        P | full newest; a: union | 1.crm:a={}@1 1.web:a={}@2 | {a:{}} | a=Union
        P | full precedence crm,web; a: union | 1.crm:a=[1]@1 1.web:a=[2]@2 1.app:a=[3]@3 | {a:[1,2]} | a=Union
        P | full newest; a: frequent | 1.crm:a=1@1 1.web:a=1@2 2.app:a=2@3 | {a:1} | a=MostFrequent
        P | full newest; a: frequent | 1.crm:a=1@1 1.web:a=2@2 | {a:2} | a=Newest
        P T | full newest; a: frequent | 1.crm:a=1@2 1.web:a=2@2 | {a:2} | a=Bytes
        P | full newest; a: frequent | 1.crm:a=1@1 1.web:a=1@9 2.crm:a=2@5 2.web:a=2@8 | {a:1} | a=Newest
        P | full newest; a: frequent | 1.crm:a=1@1 1.web:a=1@9 | {a:1} | a=Same
        P | none newest; a: frequent | 1.crm:a=1@1 1.web:a=2@2 2.crm:a=1@1 | {a:2} | a=Newest
        P | full newest; a: source web,crm | 1.crm:a=1@5 1.web:a=2@1 1.app:a=3@9 | {a:2} | a=SourcePriority
        P | full newest; a: source web,crm | 1.crm:a=1@5 1.app:a=3@9 | {a:1} | a=SourcePriority
        P | full newest; a: source web | 1.crm:a=1@5 1.app:a=3@9 | {a:3} | a=Newest
        P | full newest; a: source web | 1.web:a=1@5 2.web:a=3@4 1.app:a=4@9 | {a:1} | a=Newest
        P | full precedence crm,web; a: source web | 1.crm:a=1@1 1.web:a=2@2 1.app:a=3@3 | {a:2} | a=SourcePriority
        P | full precedence crm,web; a: source web | 1.crm:a=1@1 1.web:b=2@2 1.crm:b=3@1 | {a:1 b:3} | b=Precedence
        P | full newest; o: min | 1.crm:o.x=1@1 1.web:o.x=2@2 1.crm:p.x=1@1 1.web:p.x=2@2 | {o:{x:1} p:{x:2}} | o.x=Min p.x=Newest
        P | full newest; o: min; o.x: max | 1.crm:o.x=1@1 1.web:o.x=2@2 1.crm:o.y=1@1 1.web:o.y=2@2 | {o:{x:2 y:1}} | o.x=Max o.y=Min
        P | full newest; o: min; o.x: max | 1.crm:o.x.z=1@1 1.web:o.x.z=2@2 | {o:{x:{z:2}}} | o.x.z=Max
        P | full newest; o: min; o.x: max | 1.crm:o.xx=1@1 1.web:o.xx=2@2 | {o:{xx:1}} | o.xx=Min
        P | full newest; o.x: min; o.x.y.z: first | 1.crm:o.x.y=4@1 1.web:o.x.y=5@2 1.crm:o.x.z=6@1 1.web:o.x.z=7@2 | {o:{x:{y:4 z:6}}} | o.x.z=Min
        P | full precedence crm,app; a.b: newest | 1.app:a=1@1 1.crm:a.b.c={}@1 2.app:a.b.c={}@1 | {a:{b:{c:{}}}} | a.b.c=Same
        P | full precedence crm,app; a.b: newest | 1.app:a=1@1 2.crm:a.b.c={}@1 1.app:a.b.c={}@1 | {a:{b:{c:{}}}} | a.b.c=Same
        P | full newest; a.b: first | 1.crm:a=1@0 1.crm:a.b={}@0 1.crm:a.b.c={}@1 1.web:a.b=2@5 | {a:{b:{c:{}}}} | a.b.c=OnlyOne
        P | full newest; a.b: source crm | 1.crm:a=1@0 1.crm:a.b={}@0 1.crm:a.b.c={}@1 1.web:a.b=2@5 | {a:{b:{c:{}}}} | a.b.c=OnlyOne
        ",
        39,
    );
}
