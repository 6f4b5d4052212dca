//! Who serves: values in memory, which are not copied when they are sent.

use std::collections::BTreeMap;

use crake_datapath::Runtime;
use crake_mem::Buf;
use crake_rpc::typed::{Answer, Failure, Outcome, Parts, View};
use crake_rpc::{Status, StreamError};

use crate::messages::{Done, Entry, Key, Value, key_value};

const NO_SUCH_KEY: Status = Status(100);

pub struct Store {
    pub runtime: Runtime,
    pub values: BTreeMap<String, Buf>,
}

impl key_value::Service for Store {
    fn get(&mut self, request: View<'_, Key<'_>>, answer: Answer<'_, Value<'static>>) -> Outcome {
        match self.values.get(&*request.key()?.to_str()?) {
            Some(value) => answer.send(&Value { value: value.into() }),
            None => Err(Failure::new(NO_SUCH_KEY, "no such key")),
        }
    }

    fn put(&mut self, request: View<'_, Entry<'_>>, answer: Answer<'_, Done>) -> Outcome {
        let key = request.key()?.to_str()?.into_owned();
        self.values.insert(key, Buf::from_vec(request.value()?.to_vec()));
        answer.send(&Done {})
    }

    fn scan(&mut self, request: View<'_, Key<'_>>, parts: Parts<'_, Entry<'static>>) -> Outcome {
        let prefix = request.key()?.to_str()?.into_owned();
        let on = self.values.range(prefix.clone()..);
        let found = on.take_while(|(key, _)| key.starts_with(&prefix));
        let found: Vec<(String, Buf)> = found.map(|(key, value)| (key.clone(), value.clone())).collect();
        let (mut stream, answered) = parts.open();
        // It goes on while other calls are served, as fast as the caller takes the entries.
        let send_all = async move {
            for (key, value) in &found {
                let (key, value) = (key.as_str().into(), value.into());
                stream.send(&Entry { key, value }).await?;
            }
            stream.end();
            Ok::<(), StreamError>(())
        };
        self.runtime.spawn(send_all).detach();
        Ok(answered)
    }
}
