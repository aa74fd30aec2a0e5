//! What the doctor tries leaves no document, no deletion and no field.

use super::*;
use tailrace::output::probe::Came;

async fn probed(index: &Index) -> Vec<Came> {
    index.service.probe(&index.name).await.tried.into_iter().map(|tried| tried.came).collect()
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn trying_to_write_tells_what_is_there_and_leaves_nothing() {
    let mut index = Index::new("logs-probe", "");
    assert!(matches!(probed(&index).await[..], [Came::Untried(_)]));
    let indices = ask("GET", "/_cat/indices?format=json", None).await.text();
    assert!(!indices.contains(&index.name), "{indices}");
    assert_eq!(index.deliver(&lines(3)).await, Verdict::Delivered { already: 0 });
    let path = format!("/{}/_stats/docs", index.name);
    let mapping = format!("/{}/_mapping", index.name);
    let count = index.count().await;
    let before = (ask("GET", &path, None).await.json()["_all"].clone(), ask("GET", &mapping, None).await.text());
    assert_eq!(probed(&index).await, [Came::Allowed]);
    assert_eq!(index.count().await, count);
    let after = (ask("GET", &path, None).await.json()["_all"].clone(), ask("GET", &mapping, None).await.text());
    assert_eq!(after, before);
    let block = json!({"index.blocks.write": true});
    ask("PUT", &format!("/{}/_settings", index.name), Some(block)).await;
    let refused = probed(&index).await;
    assert!(
        matches!(&refused[..], [Came::Refused(code, _)] if code.as_str() == "cluster_block_exception"),
        "{refused:?}"
    );
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_data_stream_is_tried_with_a_document_that_it_refuses() {
    let index = Index::new("ds-probe", "");
    let template = json!({"index_patterns": [index.name], "data_stream": {}});
    ask("PUT", &format!("/_index_template/{}", index.name), Some(template)).await;
    ask("PUT", &format!("/_data_stream/{}", index.name), None).await;
    let came = probed(&index).await;
    let count = index.count().await;
    ask("DELETE", &format!("/_data_stream/{}", index.name), None).await;
    ask("DELETE", &format!("/_index_template/{}", index.name), None).await;
    assert_eq!((came, count), (vec![Came::Allowed], 0));
}
