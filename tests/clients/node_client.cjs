// Drives the platform's Node client, unchanged: `node node_client.cjs '{"url", "account", "key", "do": [[...], ...]}'`.
//
// `do` holds rounds one after the other; the calls of a round are made at once, which makes one GraphQL array of them.
// A call is [name of a method, arguments...]; `graphql` stands for `queryGraphQL` with the text of a document. Each call
// prints one line of JSON, in order: {"value", "seconds"} or {"error", "seconds"}.
'use strict';

const JupiterOneClient = require('@jupiterone/jupiterone-client-nodejs');
const gql = require('graphql-tag');

async function outcome(client, [method, ...words]) {
  const since = Date.now();
  const told = (what) => ({ ...what, seconds: (Date.now() - since) / 1000 });
  try {
    const call = method === 'graphql' ? client.queryGraphQL(gql(words[0])) : client[method](...words);
    const value = await call;
    return told({ value: method === 'graphql' ? value.data : value });
  } catch (fault) {
    return told({ error: fault.message });
  }
}

async function main({ url, account, key, rules, do: rounds }) {
  const client = new JupiterOneClient({ account, accessToken: key, useRulesEndpoint: Boolean(rules) });
  // the client has no option for its address: it is set before `init`, which builds the connection
  client.apiUrl = url;
  client.queryEndpoint = `${url}/graphql`;
  client.rulesEndpoint = `${url}/rules/graphql`;
  await client.init();
  const log = console.log;
  console.log = () => {}; // the client prints errors that it also throws
  for (const calls of rounds) {
    const outcomes = await Promise.all(calls.map((call) => outcome(client, call)));
    outcomes.forEach((each) => log(JSON.stringify(each)));
  }
}

main(JSON.parse(process.argv[2]));
