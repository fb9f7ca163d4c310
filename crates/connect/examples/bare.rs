//! What refreshes and exports are divided by: rows that are only read, and rows that are only written.
//!
//! `bare drain files FOLDER PATH` and `bare drain postgres URL PASSWORD QUERY` read all rows and hash each. `bare write FOLDER PATH TO` reads the
//! rows of a file, and counts the time in which they are encoded as Parquet, written to the file `TO` and synced. One line of JSON is printed.

use std::error::Error;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tessera_connect::{
    ColumnKind, Compression, Connect as _, Connection, Connectors, Encoder, Field, FieldKind, FileFormat, Place, Query,
    Question, Row, Rows, Value,
};

/// The clock of a measurement, which is the one thing here that may look at it.
#[allow(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn clock() -> Instant {
    Instant::now()
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments[..] {
            ["drain", "files", folder, path] => drain(&files(folder), Query::Table(path.to_owned())).await,
            ["drain", "postgres", url, password, query] => {
                let connection =
                    Connection::Postgres { url: url.to_owned(), password: Some(password.to_owned()), ca: None };
                drain(&connection, Query::Sql(query.to_owned())).await
            }
            ["write", folder, path, to] => write(&files(folder), path, to).await,
            _ => {
                Err("usage: bare drain files FOLDER PATH | drain postgres URL PASSWORD QUERY | write FOLDER PATH TO"
                    .into())
            }
        }
    })
}

fn files(folder: &str) -> Connection {
    Connection::Files(Place::Folder(PathBuf::from(folder)))
}

async fn open(connection: &Connection, query: Query) -> Result<Box<dyn Rows>, Box<dyn Error>> {
    let question = Question { query, types: std::collections::BTreeMap::new() };
    Ok(Connectors::default().open(connection, &question).await?)
}

async fn drain(connection: &Connection, query: Query) -> Result<(), Box<dyn Error>> {
    let begun = clock();
    let mut rows = open(connection, query).await?;
    let (mut count, mut sum) = (0_u64, 0_u64);
    while let Some(batch) = rows.next().await? {
        count += batch.len() as u64;
        for row in &batch {
            sum = sum.wrapping_add(hash(row));
        }
    }
    std::hint::black_box(sum);
    println!("{{\"rows\":{count},\"seconds\":{:.3}}}", begun.elapsed().as_secs_f64());
    Ok(())
}

fn hash(row: &Row) -> u64 {
    let mut hasher = DefaultHasher::new();
    for value in row {
        match value {
            Value::Null => 0_u8.hash(&mut hasher),
            Value::Boolean(own) => own.hash(&mut hasher),
            Value::Number(own) | Value::Text(own) | Value::Timestamp(own) => own.hash(&mut hasher),
            Value::Json(own) => own.to_string().hash(&mut hasher),
            Value::Unfit(own) => own.hash(&mut hasher),
        }
    }
    hasher.finish()
}

async fn write(connection: &Connection, path: &str, to: &str) -> Result<(), Box<dyn Error>> {
    let mut rows = open(connection, Query::Table(path.to_owned())).await?;
    let kind = |kind| match kind {
        ColumnKind::Boolean => FieldKind::Boolean,
        ColumnKind::Number => FieldKind::Decimal(6),
        ColumnKind::Timestamp => FieldKind::Timestamp,
        ColumnKind::Empty | ColumnKind::Text | ColumnKind::Binary => FieldKind::Text,
        ColumnKind::Json => FieldKind::Json,
    };
    let fields: Vec<Field> =
        rows.columns().iter().map(|own| Field { name: own.name.clone(), kind: kind(own.kind) }).collect();
    let mut encoder = Encoder::new(FileFormat::Parquet, Compression::Snappy, &fields)?;
    let (mut file, mut count, mut spent) = (File::create(to)?, 0_u64, Duration::ZERO);
    while let Some(batch) = rows.next().await? {
        count += batch.len() as u64;
        let begun = clock();
        encoder.rows(&batch)?;
        file.write_all(&encoder.take())?;
        spent += begun.elapsed();
    }
    let begun = clock();
    file.write_all(&encoder.finish()?)?;
    file.sync_all()?;
    spent += begun.elapsed();
    println!("{{\"rows\":{count},\"seconds\":{:.3},\"bytes\":{}}}", spent.as_secs_f64(), file.metadata()?.len());
    Ok(())
}
