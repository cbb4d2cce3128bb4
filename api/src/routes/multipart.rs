//! `multipart/form-data`: an item as a browser form or `curl -F` sends it.

use axum::{
    body::Body,
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::{HeaderMap, header},
};
use bytes::Bytes;
use serde::{Deserialize, de::IntoDeserializer};

use super::draft::{Base64, NewItem};
use crate::error::ApiError;

/// Reads the form. Parts carry the names of [`NewItem`]'s members; `image` is the file.
pub async fn read(headers: &HeaderMap, body: Bytes) -> Result<NewItem, ApiError> {
    let mut request = Request::new(Body::from(body));
    if let Some(media_type) = headers.get(header::CONTENT_TYPE) {
        request.headers_mut().insert(header::CONTENT_TYPE, media_type.clone());
    }
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| broken(&error.body_text()))?;
    let mut item = NewItem::default();
    let mut seen = Vec::new();
    while let Some(part) = form.next_field().await.map_err(|error| broken_part(&error))? {
        let name = part.name().unwrap_or_default().to_owned();
        if seen.contains(&name) {
            let message =
                format!("The form has two parts `{name}`: send one; several items go as JSON, `{{\"items\":[…]}}`.");
            return Err(ApiError::invalid("form_invalid", message).at(name));
        }
        fill(&mut item, &name, part).await?;
        seen.push(name);
    }
    Ok(item)
}

async fn fill(item: &mut NewItem, name: &str, part: Field<'_>) -> Result<(), ApiError> {
    let bytes = part.bytes().await.map_err(|error| broken_part(&error))?;
    if name == "image" {
        item.image = Some(Base64(bytes));
        return Ok(());
    }
    let text = String::from_utf8(bytes.into()).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        ApiError::invalid("not_utf8", format!("The part `{name}` is not valid UTF-8 from byte {byte} on: send UTF-8."))
            .at(name)
    })?;
    match name {
        "text" => item.text = Some(text),
        "reference" => item.reference = Some(text),
        "message" => item.message = Some(text),
        "id" => item.id = Some(value(name, &text)?),
        "kind" => item.kind = Some(value(name, &text)?),
        "actor" => item.actor = Some(value(name, &text)?),
        "conversation" => item.conversation = Some(value(name, &text)?),
        "occurred_at" => item.occurred_at = Some(value(name, &text)?),
        _ => {
            let known = "`image`, `text`, `id`, `kind`, `actor`, `conversation`, `reference`, `message`, `occurred_at`";
            return Err(ApiError::invalid(
                "unknown_field",
                format!("The form has a part `{name}`: parts are {known}."),
            )
            .at(name));
        }
    }
    Ok(())
}

fn value<'a, T: Deserialize<'a>>(name: &str, text: &'a str) -> Result<T, ApiError> {
    let read: Result<T, serde::de::value::Error> = T::deserialize(text.into_deserializer());
    read.map_err(|error| {
        ApiError::invalid("invalid_field", format!("The part `{name}` does not fit: {error}.")).at(name)
    })
}

fn broken_part(error: &MultipartError) -> ApiError {
    broken(&error.body_text())
}

fn broken(text: &str) -> ApiError {
    ApiError::invalid(
        "form_invalid",
        format!("The form cannot be read: {text}. Send it with `curl -F` or a form library."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = &'a [(&'a str, &'a [u8])];

    async fn form(parts: Parts<'_>) -> Result<NewItem, ApiError> {
        let mut body = Vec::new();
        for (name, content) in parts {
            body.extend_from_slice(
                format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--x--\r\n");
        let headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, "multipart/form-data; boundary=x".parse().unwrap())]);
        read(&headers, body.into()).await
    }

    #[tokio::test]
    async fn parts_become_members() {
        let item = form(&[("image", b"\xff\xd8\r\n--y"), ("actor", b"ann"), ("occurred_at", b"2026-01-02T03:04:05Z")])
            .await
            .unwrap_or_default();
        assert_eq!(item.image.map(|image| image.0), Some(Bytes::from_static(b"\xff\xd8\r\n--y")));
        assert_eq!(item.actor.unwrap().as_str(), "ann");
        assert_eq!(item.occurred_at.unwrap().to_rfc3339(), "2026-01-02T03:04:05+00:00");
    }

    #[tokio::test]
    async fn wrong_forms_are_refused_by_code() {
        let rows: [(Parts<'_>, &str); 5] = [
            (&[("colour", b"red")], "unknown_field"),
            (&[("text", b"\xff")], "not_utf8"),
            (&[("id", b"17")], "invalid_field"),
            (&[("kind", b"video")], "invalid_field"),
            (&[("text", b"a"), ("text", b"b")], "form_invalid"),
        ];
        for (parts, code) in rows {
            assert_eq!(form(parts).await.err().unwrap().code(), code, "{parts:?}");
        }
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, "multipart/form-data".parse().unwrap())]);
        assert_eq!(read(&headers, Bytes::new()).await.err().unwrap().code(), "form_invalid");
    }
}
