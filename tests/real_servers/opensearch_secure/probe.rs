//! What the doctor tries tells whether a right is missing.

use super::*;
use tailrace::output::probe::Came;

impl As<'_> {
    async fn probed(&self) -> Vec<Came> {
        let output = self.output();
        let service = OpenSearchService::new(kind(&output, pick), http(&output)).unwrap();
        service.probe(&self.index).await.tried.into_iter().map(|tried| tried.came).collect()
    }
}

/// Made by the administrator.
async fn made(index: &str) {
    ask("PUT", &format!("/{index}")).await;
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_right_that_is_there_and_one_that_is_missing_are_told_apart() {
    let good = As::good();
    made(&good.index).await;
    assert_eq!(good.probed().await, [Came::Allowed]);
    let elsewhere = As { index: unique("private"), ..As::good() };
    made(&elsewhere.index).await;
    let came = elsewhere.probed().await;
    let [Came::Refused(code, say)] = &came[..] else { panic!("{came:?}") };
    assert_eq!(code.as_str(), "security_exception");
    assert!(say.contains("indices:data/write/index") && say.contains("name=agent"), "{say}");
    for index in [&good.index, &elsewhere.index] {
        assert_eq!(ask("GET", &format!("/{index}/_stats/docs")).await["_all"]["primaries"]["docs"]["deleted"], 0);
    }
    let wrong = As { password: "Aa1-not-the-password".into(), ..As::good() };
    let came = wrong.probed().await;
    assert!(matches!(&came[..], [Came::Refused(code, _)] if code.as_str() == "http_401"), "{came:?}");
}
