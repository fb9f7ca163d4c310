// What a page does by hand with a public token of Wyng's Profiles API. The query says where to, with which token, who the visitor is, and of which
// profile a server has given the page an identity token.
const { url, key, prefix, known, jwt } = Object.fromEntries(new URLSearchParams(location.search))
const api = `${url}/api/v1/consumer/profiles`
const token = { 'x-access-token': key }

const found = {}
const ask = async (name, path, options) => {
  try {
    const answer = await fetch(api + path, options)
    found[name] = { status: answer.status, body: await answer.json() }
  } catch (error) {
    found[name] = { status: 0, body: String(error) }
  }
  return found[name].body
}
const visitor = (uid, members) => JSON.stringify({ fields: { uids: { value: [uid] }, ...members } })

// JSON and a header of its own come with a preflight; a text, and the token in the address, without one.
const json = { ...token, 'content-type': 'application/json' }
const body = visitor(`${prefix}-visitor`, { email: { value: `${prefix}@shop.example` } })
await ask('upsert', '/upsert', { method: 'POST', headers: json, body })
await ask('upsert as text', `/upsert?access_token=${key}`, { method: 'POST', body: visitor(`${prefix}-other`) })
const { id } = await ask('lookup', `/lookup?uid=${prefix}-visitor`, { headers: token })
await ask('profile', `/${id}`, { headers: token })
await ask('public part', `/${known}?access_token=${key}`)
await ask('all of it', `/${known}?jwt=${jwt}`, { headers: token })

// The answer comes when this page may go; it names the next one.
const answer = await fetch('/report', { method: 'POST', body: JSON.stringify({ prefix, id, found }) })
location.replace(await answer.text())
