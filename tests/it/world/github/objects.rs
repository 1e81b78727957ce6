//! GitHub's objects as JSON, complete as its own schema demands: users, repositories, commits. Shared by all answers.

use super::super::digest::number_of;
use super::Call;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// An account that only wrote or started something.
pub(super) fn user(call: &Call, login: &str) -> Value {
    let url = format!("{}/users/{login}", call.base);
    json!({
        "login": login,
        "id": number_of(login),
        "node_id": node_id("U", number_of(login)),
        "avatar_url": format!("{}/avatars/u/{}", call.html(), number_of(login)),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("{}/{login}", call.html()),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "type": "User",
        "site_admin": false,
    })
}

/// Places below a repository's URL that its object names: member → path.
const PLACES: [(&str, &str); 36] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

/// A repository as runs and lists carry it.
pub(super) fn repository(call: &Call, full_name: &str, fork: bool) -> Map<String, Value> {
    let (owner, name) = full_name.split_once('/').unwrap_or((full_name, full_name));
    let url = format!("{}/repos/{full_name}", call.base);
    let id = number_of(full_name);
    let Value::Object(mut object) = json!({
        "id": id,
        "node_id": node_id("R", id),
        "name": name,
        "full_name": full_name,
        "private": false,
        "owner": user(call, owner),
        "html_url": format!("{}/{full_name}", call.html()),
        "description": null,
        "fork": fork,
        "url": url,
    }) else {
        return Map::new();
    };
    for (member, path) in PLACES {
        object.insert(member.to_owned(), format!("{url}{path}").into());
    }
    object
}

/// The same with what only `GET /repos/{owner}/{repo}` tells.
pub(super) fn full_repository(call: &Call, full_name: &str, at: Timestamp) -> Value {
    let mut object = repository(call, full_name, false);
    let html = format!("{}/{full_name}", call.html());
    let more = json!({
        "clone_url": format!("{html}.git"),
        "git_url": format!("git:{}.git", html.split_once(':').map_or("", |(_, rest)| rest)),
        "ssh_url": format!("git@github.com:{full_name}.git"),
        "svn_url": html,
        "mirror_url": null, "homepage": null, "language": null, "license": null,
        "default_branch": "main",
        "visibility": "public",
        "archived": false, "disabled": false,
        "has_issues": true, "has_projects": false, "has_wiki": false, "has_pages": false,
        "has_discussions": false, "has_downloads": true,
        "forks": 0, "forks_count": 0, "open_issues": 0, "open_issues_count": 0, "size": 1,
        "stargazers_count": 0, "watchers": 0, "watchers_count": 0, "network_count": 0,
        "subscribers_count": 0,
        "pushed_at": time(at), "created_at": time(at), "updated_at": time(at),
    });
    if let Value::Object(more) = more {
        object.extend(more);
    }
    Value::Object(object)
}

/// A commit as a comparison carries it.
pub(super) fn commit(call: &Call, full_name: &str, sha: &str, at: Timestamp) -> Value {
    let url = format!("{}/repos/{full_name}/commits/{sha}", call.base);
    let person = json!({"name": "Octo Cat", "email": "octo@example.com", "date": time(at)});
    json!({
        "sha": sha,
        "node_id": node_id("C", number_of(sha)),
        "url": url,
        "html_url": format!("{}/{full_name}/commit/{sha}", call.html()),
        "comments_url": format!("{url}/comments"),
        "commit": {
            "author": person,
            "committer": person,
            "message": "Change something",
            "tree": {"sha": sha, "url": format!("{}/repos/{full_name}/git/trees/{sha}", call.base)},
            "url": format!("{}/repos/{full_name}/git/commits/{sha}", call.base),
            "comment_count": 0,
        },
        "author": user(call, "octo"),
        "committer": user(call, "octo"),
        "parents": [],
    })
}

/// An opaque id in GitHub's newer form.
pub(super) fn node_id(kind: &str, id: u64) -> String {
    format!("{kind}_kw{id:010}")
}

/// Whole seconds, as GitHub writes times.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Merges what a test wants to be odd; whether it wanted anything.
pub(super) fn odd(mut object: Value, odd: Option<&Value>) -> (Value, bool) {
    let (Value::Object(object_members), Some(Value::Object(odd))) = (&mut object, odd) else {
        return (object, false);
    };
    object_members.extend(odd.clone());
    (object, true)
}
