//! What an order is for, and which of them are wanted.

use tessera_seam::answer::invalid;
use tessera_seam::app::App;
use tessera_seam::extract::Query;
use tessera_service::error::Error;
use tessera_service::workspace_config::{ErasureOrder, StoredConfig};

use super::super::batches::dataset_of_batch;
use super::super::enter::Asked;
use super::super::errors::invalid_parameter;
use super::super::registry::{XdmClass, class_of};
use super::render::Generation;
use super::wire::NewSystemJob;

/// Jobs of one page.
const JOBS_MAX: usize = 100;

/// What is to be removed.
pub(super) struct Target {
    pub(super) dataset: String,
    pub(super) batch: Option<String>,
}

/// Reads what an order is for.
///
/// # Errors
/// `delete_request_invalid`, `batch_not_found`, `batch_of_records`.
pub(super) async fn target(
    app: &App,
    asked: &Asked,
    new: NewSystemJob,
    config: &StoredConfig,
) -> Result<Target, Error> {
    let NewSystemJob { data_set_id, dataset_id, batch_id } = new;
    let dataset = data_set_id.or(dataset_id).filter(|id| !id.is_empty());
    match (dataset, batch_id.filter(|id| !id.is_empty())) {
        (Some(dataset), None) => Ok(Target { dataset, batch: None }),
        (named, Some(batch)) => {
            let of_batch = dataset_of_batch(app, asked.workspace(), &batch).await?;
            let dataset = named.or(of_batch).ok_or_else(|| {
                let message = format!("Batch not found for profile dataset '{batch}'; datasetId says of which it is");
                invalid("batch_not_found", message)
            })?;
            if class_of(config, &dataset)?.is_some_and(|class| class != XdmClass::Event) {
                let message = format!("Batch can only be specified for EE type '{dataset}'");
                return Err(invalid("batch_of_records", message));
            }
            Ok(Target { dataset, batch: Some(batch) })
        }
        (None, None) => {
            let message = "Invalid delete request (Profile System Job): dataSetId, or batchId, is expected";
            Err(invalid("delete_request_invalid", message))
        }
    }
}

/// Which jobs are wanted.
pub(super) struct Wanted {
    /// The place of the first in their order.
    pub(super) start: usize,
    pub(super) limit: usize,
    pub(super) sort: Sort,
}

/// In which order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sort {
    field: Field,
    is_descending: bool,
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Created,
    Updated,
    Status,
}

impl Sort {
    /// Brings orders, the oldest first, into this order.
    pub(super) fn sort(self, orders: &mut [&ErasureOrder], status: impl Fn(&ErasureOrder) -> u8) {
        match self.field {
            Field::Created => {}
            Field::Updated => orders.sort_by_key(|own| own.updated_at),
            Field::Status => orders.sort_by_key(|own| status(own)),
        }
        if self.is_descending {
            orders.reverse();
        }
    }
}

/// Reads which part of the list is wanted. A page is given by its number, or by where it begins; in the newer form `start` is a number too.
///
/// # Errors
/// `query_invalid`, `limit_invalid`.
pub(super) fn page(query: &Query, generation: Generation) -> Result<Wanted, Error> {
    let limit = query.limit(JOBS_MAX, JOBS_MAX)?;
    let number = |name: &str| {
        let invalid = |_| invalid_parameter(name, "a whole number is expected");
        query.get(name).map(|text| text.parse::<u32>().map_err(invalid)).transpose()
    };
    let (page, start) = (number("page")?, number("start")?);
    let at = |number: Option<u32>| usize::try_from(number.unwrap_or(0)).unwrap_or(usize::MAX);
    let start = match (generation, page) {
        (Generation::Newer, _) => at(start).saturating_mul(limit),
        (Generation::Classic, Some(page)) => at(Some(page)).saturating_mul(limit),
        (Generation::Classic, None) => at(start),
    };
    Ok(Wanted { start, limit, sort: sort(query.get("sort"))? })
}

fn sort(text: Option<&str>) -> Result<Sort, Error> {
    let expected = || invalid_parameter("sort", "createEpoch, updateEpoch or status is expected, with :asc or :desc");
    let text = text.unwrap_or("createEpoch:asc");
    let (field, direction) = text.split_once(':').unwrap_or((text, "asc"));
    let field = match field {
        "createEpoch" | "createdAt" => Field::Created,
        "updateEpoch" | "updatedAt" => Field::Updated,
        "status" => Field::Status,
        _ => return Err(expected()),
    };
    match direction {
        "asc" => Ok(Sort { field, is_descending: false }),
        "desc" => Ok(Sort { field, is_descending: true }),
        _ => Err(expected()),
    }
}
