//! What a release asks of GitHub: whether a version is new, and a draft that becomes the release. GitHub is a listener, and a script in
//! place of `gh`.

use super::{Checkout, command, program};
use crate::bless::root;
use crate::tools;
use std::fs;

/// That a version is new is said by 404 alone.
#[test]
fn only_what_github_does_not_know_is_new() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}", server.local_addr().unwrap());
    let statuses = [
        "404 Not Found",
        "200 OK",
        "403 Forbidden",
        "502 Bad Gateway",
    ];
    let answering = std::thread::spawn(move || {
        statuses.map(|status| {
            let (stream, _) = server.accept().unwrap();
            let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            write!(
                &stream,
                "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            head
        })
    });
    let script = root().join(".github/release/release.sh");
    let ask = || {
        let mut ask = command(script.to_str().unwrap(), &root());
        ask.args(["new", "1.2.3"])
            .env("GITHUB_API_URL", &api)
            .env("GITHUB_REPOSITORY", "example/shop")
            .env("GH_TOKEN", "ghs_x")
            .env("NO_PROXY", "*");
        let output = ask.output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(ask(), (true, String::new()));
    for wanted in ["found the tag v1.2.3", "HTTP status 403", "HTTP status 502"] {
        let (is_new, told) = ask();
        assert!(!is_new && told.contains(wanted), "{told}");
    }
    for head in answering.join().unwrap() {
        assert_eq!(
            head[0],
            "GET /repos/example/shop/git/ref/tags/v1.2.3 HTTP/1.1"
        );
        assert!(
            head.iter()
                .any(|line| line == "Authorization: Bearer ghs_x"),
            "{head:?}"
        );
    }
    // Nobody listens any more.
    let (is_new, told) = ask();
    assert!(!is_new && told.contains("HTTP status none"), "{told}");
}

/// The files lie in a draft before there is a tag; what runs again goes on where it failed.
#[test]
fn a_release_is_a_draft_until_it_is_tagged() {
    let checkout = Checkout::new();
    let version = env!("CARGO_PKG_VERSION");
    let tag = format!("v{version}");
    fs::create_dir(checkout.path("dist")).unwrap();
    for file in ["SHA256SUMS", "of this attempt"] {
        fs::write(checkout.path("dist").join(file), "").unwrap();
    }
    fs::create_dir(checkout.path("bin")).unwrap();
    // GitHub: what it has is a word in a file. Each call is noted.
    program(
        &checkout.path("bin/gh"),
        "echo \"$2 $3 $4\" >>calls
         has=$(cat has)
         before=
         for argument in \"$@\"; do
           [ \"$before\" != --notes-file ] || cp \"$argument\" notes
           before=$argument
         done
         case \"$2 $*\" in
           view*assets*) printf 'SHA256SUMS\\nof an earlier one\\n' ;;
           view*) [ \"$has\" != none ] || { echo 'release not found' >&2; exit 1; }
                 [ \"$has\" != ill ] || { echo 'HTTP 502' >&2; exit 1; }
                 echo \"$has\" ;;
           create*) echo draft >has ;;
           edit*--draft=false*) echo published >has ;;
         esac\n",
    );
    let path = format!(
        "{}:{}",
        checkout.path("bin").display(),
        tools::variable("PATH").unwrap()
    );
    let script = root().join(".github/release/release.sh");
    let run = |has: &str, args: &[&str]| {
        fs::write(checkout.path("has"), has).unwrap();
        fs::write(checkout.path("calls"), "").unwrap();
        let mut run = command(script.to_str().unwrap(), checkout.dir.path());
        let output = run.args(args).env("PATH", &path).output().unwrap();
        let calls = checkout.read("calls");
        let calls = calls.lines().filter(|call| !call.starts_with("view"));
        let calls: Vec<String> = calls.map(str::to_owned).collect();
        (output.status.success(), calls)
    };
    let create = format!("create {tag} --draft");
    let upload = format!("upload {tag} --clobber");
    let edit = format!("edit {tag} --draft=false");
    let notes = format!("edit {tag} --title");
    let delete = format!("delete-asset {tag} of an earlier one");
    let draft = ["draft", version, "dist"];
    assert_eq!(run("none", &draft), (true, vec![create, upload.clone()]));
    // What an earlier attempt left in it becomes what this one has.
    fs::write(checkout.path("notes"), "of an earlier attempt").unwrap();
    let wanted = vec![notes, delete, upload];
    assert_eq!(run("draft", &draft), (true, wanted));
    assert_eq!(
        checkout.read("notes").trim(),
        checkout.ok(&["notes", version])
    );
    assert_eq!(run("published", &draft), (true, vec![]));
    assert_eq!(run("ill", &draft), (false, vec![]));
    let publish = ["publish", version];
    assert_eq!(run("draft", &publish), (true, vec![edit]));
    assert_eq!(run("published", &publish), (true, vec![]));
    assert_eq!(run("none", &publish), (false, vec![]));
}
