//! The collection: made when missing, checked when it is there.

use std::collections::HashSet;

use qdrant_client::{Qdrant, qdrant};
use tokio::time::Instant;

use super::{
    call::{Call, Failure},
    point, request,
};
use crate::error::PipelineError;

/// What there is to know of a collection that fits: the payload keys with an index.
pub(super) type Indexed = HashSet<String>;

/// Makes sure that the collection is there and fits. Several processes may do so at the same time: one of them makes it, and all look again.
pub(super) async fn open(
    client: &Qdrant,
    name: &str,
    dimensions: usize,
    deadline: Instant,
) -> Result<Indexed, PipelineError> {
    let mut found = look(client, name, dimensions, deadline).await?;
    if found.is_none() {
        let request = request::collection(name, dimensions);
        let call = Call { what: "make the collection", client, deadline };
        let made = call.tries(request, &|client, request| async move { client.create_collection(request).await }).await;
        // Another process may have been faster; servers answer that in different ways. What counts is whether it is there now.
        found = look(client, name, dimensions, deadline).await?;
        match (&found, made) {
            (Some(_), Ok(_)) => tracing::info!(index.collection = name, dimensions, "made the collection"),
            (None, Err(failure)) => return Err(failure.error("make the collection")),
            (Some(_), Err(_)) | (None, Ok(_)) => {}
        }
    }
    let Some(mut indexed) = found else {
        return Err(Failure::Missing("it was made and is not there".into()).error("make the collection"));
    };
    if indexed.insert(point::TENANT.to_owned()) {
        let request = request::tenant_index(name);
        let call = Call { what: "index the tenant", client, deadline };
        let made =
            call.tries(request, &|client, request| async move { client.create_field_index(request).await }).await;
        made.map_err(|failure| failure.error(call.what))?;
    }
    Ok(indexed)
}

/// The collection as it is: `None` when there is none, `Conflict` (`index_dimensions`) when it does not fit.
pub(super) async fn look(
    client: &Qdrant,
    name: &str,
    dimensions: usize,
    deadline: Instant,
) -> Result<Option<Indexed>, PipelineError> {
    let what = "look at the collection";
    let call = Call { what, client, deadline };
    let looked = call.tries(name.to_owned(), &|client, name| async move { client.collection_info(name).await }).await;
    let answer = match looked {
        Ok(answer) => answer,
        Err(Failure::Missing(_)) => return Ok(None),
        Err(failure) => return Err(failure.error(what)),
    };
    let Some(info) = answer.result else { return Err(Failure::Wrong("an empty answer".into()).error(what)) };
    check(&info, name, dimensions)?;
    Ok(Some(info.payload_schema.into_keys().collect()))
}

/// Does an existing collection hold vectors like ours?
fn check(info: &qdrant::CollectionInfo, name: &str, dimensions: usize) -> Result<(), PipelineError> {
    let vectors =
        info.config.as_ref().and_then(|config| config.params.as_ref()?.vectors_config.as_ref()?.config.as_ref());
    let found = match vectors {
        Some(qdrant::vectors_config::Config::Params(params)) => {
            if params.size == dimensions as u64 && params.distance() == qdrant::Distance::Cosine {
                return Ok(());
            }
            format!("vectors of {} dimensions compared by {:?}", params.size, params.distance())
        }
        Some(qdrant::vectors_config::Config::ParamsMap(_)) => "named vectors".to_owned(),
        None => "no vectors".to_owned(),
    };
    Err(PipelineError::Conflict {
        code: "index_dimensions",
        message: format!(
            "the collection `{name}` holds {found}, we need {dimensions} dimensions compared by Cosine: set index.collection to another \
             name, or delete this one on the Qdrant server (it is made anew from the store)"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(config: Option<qdrant::vectors_config::Config>) -> qdrant::CollectionInfo {
        let vectors_config = Some(qdrant::VectorsConfig { config });
        let params = Some(qdrant::CollectionParams { vectors_config, ..Default::default() });
        let config = Some(qdrant::CollectionConfig { params, ..Default::default() });
        qdrant::CollectionInfo { config, ..Default::default() }
    }

    fn params(size: u64, distance: qdrant::Distance) -> qdrant::vectors_config::Config {
        qdrant::vectors_config::Config::Params(qdrant::VectorParams {
            size,
            distance: distance.into(),
            ..Default::default()
        })
    }

    #[test]
    fn only_a_collection_like_ours_fits() {
        assert!(check(&info(Some(params(16, qdrant::Distance::Cosine))), "c", 16).is_ok());
        let named = qdrant::vectors_config::Config::ParamsMap(qdrant::VectorParamsMap::default());
        for (config, part) in [
            (Some(params(384, qdrant::Distance::Cosine)), "384 dimensions"),
            (Some(params(16, qdrant::Distance::Euclid)), "Euclid"),
            (Some(named), "named vectors"),
            (None, "no vectors"),
        ] {
            let error = check(&info(config), "c", 16).unwrap_err();
            assert!(matches!(error, PipelineError::Conflict { code: "index_dimensions", .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(part) && text.contains("index.collection") && text.contains("16"), "{text}");
        }
    }
}
