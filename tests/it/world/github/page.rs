//! Pages of a list, and the `Link` header that leads from one to the next.

use super::{Answer, Call};
use serde_json::{Map, Value, json};

/// Results beyond this are not given out when a list is filtered.
/// Source: "List workflow runs" in GitHub's REST documentation.
pub(super) const FILTERED_MAX: usize = 1000;

/// One page: `per_page` (1 to 100, 30 when it is not given) of the items from `page` (from 1).
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) total: usize,
    link: Option<String>,
}

impl<T> Page<T> {
    /// Cuts the page out of all the items; 422 for numbers that are none.
    pub(super) fn cut(call: &Call, path: &str, all: Vec<T>) -> Result<Self, Answer> {
        let number = |name: &str, usual: usize| match call.query(name) {
            None => Ok(usual),
            Some(text) => text
                .parse()
                .map_err(|_none| Answer::invalid("List", name, "invalid")),
        };
        let per_page = number("per_page", 30)?.clamp(1, 100);
        let page = number("page", 1)?.max(1);
        let total = all.len();
        let items = all
            .into_iter()
            .skip((page - 1) * per_page)
            .take(per_page)
            .collect();
        let last = total.div_ceil(per_page).max(1);
        let mut links = Vec::new();
        if 1 < page {
            links.extend([("prev", page - 1), ("first", 1)]);
        }
        if page < last {
            links.extend([("next", page + 1), ("last", last)]);
        }
        let links: Vec<_> = links
            .into_iter()
            .map(|(rel, to)| format!("<{}>; rel=\"{rel}\"", url(call, path, to)))
            .collect();
        let link = (!links.is_empty()).then(|| links.join(", "));
        Ok(Self { items, total, link })
    }

    /// The same page of other things.
    pub(super) fn map<U>(self, change: impl Fn(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            total: self.total,
            link: self.link,
        }
    }
}

impl Page<(Value, bool)> {
    /// The page under GitHub's usual envelope; each item says whether it is odd on purpose.
    pub(super) fn envelope(self, operation: &'static str, key: &str) -> Answer {
        let odd = self.items.iter().any(|(_, odd)| *odd);
        let items = self.items.into_iter().map(|(item, _)| item).collect();
        let mut body = Map::new();
        body.insert("total_count".to_owned(), json!(self.total));
        body.insert(key.to_owned(), Value::Array(items));
        let answer = Answer {
            odd,
            ..Answer::ok(operation, Value::Object(body))
        };
        linked(answer, self.link)
    }
}

impl Page<Value> {
    /// The page as a bare array.
    pub(super) fn array(self, operation: &'static str) -> Answer {
        linked(Answer::ok(operation, Value::Array(self.items)), self.link)
    }
}

fn linked(answer: Answer, link: Option<String>) -> Answer {
    match link {
        Some(link) => answer.with("link", link),
        None => answer,
    }
}

fn url(call: &Call, path: &str, page: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in call.query.iter().filter(|(name, _)| *name != "page") {
        query.append_pair(name, value);
    }
    query.append_pair("page", &page.to_string());
    format!(
        "{}/repos/{}/{path}?{}",
        call.base,
        call.repo,
        query.finish()
    )
}
