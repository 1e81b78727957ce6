//! The commits of a story and the pages that show them. No server is guessed: addresses come from runs.

use super::Story;

impl<'a> Story<'a> {
    /// The commit that was rolled back from (or is being deployed), and the good one.
    pub fn commits(&self) -> (Option<&'a str>, Option<&'a str>) {
        let ended = self.ended();
        let bad = ended
            .and_then(|ended| ended.bad_commit.as_deref())
            .or_else(|| self.began().and_then(|began| began.commit.as_deref()));
        let good = self
            .chosen()
            .map(|chosen| chosen.run.sha.0.as_str())
            .or_else(|| ended.and_then(|ended| ended.commit.as_deref()));
        (bad, good)
    }

    /// The page that compares the good commit with the bad one.
    pub fn compare_url(&self) -> Option<String> {
        let (bad, good) = self.commits();
        let (bad, good) = (bad?, good?);
        let is_sha = |text: &str| text.len() >= 7 && text.bytes().all(|b| b.is_ascii_hexdigit());
        (bad != good && is_sha(bad) && is_sha(good))
            .then(|| self.repository_url())
            .flatten()
            .map(|url| format!("{url}/compare/{good}...{bad}"))
    }

    /// The repository's page, from the address of a run: the server is not guessed.
    pub fn repository_url(&self) -> Option<String> {
        let began = self.began()?;
        let repository = began.repository.as_deref()?;
        let search = self.search();
        let run_urls = began
            .run_url
            .as_deref()
            .into_iter()
            .chain(
                search
                    .and_then(|search| search.chosen)
                    .map(|chosen| chosen.run.url.as_str()),
            )
            .chain(
                search
                    .into_iter()
                    .flat_map(|search| search.passed_over.iter().map(|run| run.url.as_str())),
            );
        let marker = format!("/{repository}/actions/");
        run_urls
            .filter_map(|url| url.split_once(&marker))
            .map(|(server, _rest)| format!("{server}/{repository}"))
            .next()
    }
}
