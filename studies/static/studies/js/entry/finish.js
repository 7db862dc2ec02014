// The end of a sheet: what is missing, a tenth measured again unseen, and the signature that closes it.

async function ask(path, options = {}) {
  const response = await fetch(path, { headers: { Accept: "application/json", ...options.headers }, ...options });
  return { ok: response.ok, status: response.status, body: await response.json().catch(() => ({})) };
}

/** Mouse keys to measure again, or a reason in words why there are none. */
export async function remeasureList(api, session) {
  try {
    const { ok, body } = await ask(`${api}sessions/${session}/remeasures`);
    return ok ? body : { reason: "the list could not be drawn" };
  } catch {
    return { reason: "the list needs the network" };
  }
}

/** Rows others stored meanwhile, by mouse key and tumor; nothing where the network is away. */
export async function storedByOthers(api, session) {
  try {
    const { ok, body } = await ask(`${api}sessions/${session}/sheet`);
    return ok ? body.mice : [];
  } catch {
    return [];
  }
}

/** Send the signature; resolves with null, or with what stands against it in words. */
export async function sign(api, session, token, username, password) {
  let answer;
  try {
    answer = await ask(`${api}sessions/${session}/signature`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify({ username, password }),
    });
  } catch {
    return "Signing needs the network. Your rows are kept on this tablet.";
  }
  return answer.ok ? null : inWords(answer.body.detail);
}

function inWords(detail) {
  if (Array.isArray(detail)) return detail.map((one) => one.msg ?? one).join("; ");
  return detail ?? "The server did not take the signature.";
}

export const agreementText = ({ n_agreement: n, cv_percent: cv }) =>
  n && cv !== null ? `Readings taken again differ by a CV of ${cv.toFixed(1)} % in ${n} ${n === 1 ? "mouse" : "mice"}.` : "";

export const missingText = (rows) => {
  const open = rows.filter((row) => !row.isDone).map((row) => row.title);
  return open.length ? `Still to measure or code: ${open.slice(0, 8).join(", ")}${open.length > 8 ? ` and ${open.length - 8} more` : ""}` : "";
};
