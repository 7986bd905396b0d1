"""The book of alerts as SQLite has it: its tables, and the statements that ask and change them.

Here: SQL. Not here: the book (book.py).
"""

TABLES = """
CREATE TABLE IF NOT EXISTS positions (
    topic TEXT, topic_id TEXT, partition INTEGER, next_position INTEGER, PRIMARY KEY (topic, topic_id, partition));
CREATE TABLE IF NOT EXISTS alerts (
    alert_id TEXT PRIMARY KEY, rule TEXT, subject_kind TEXT, subject_id TEXT, cause TEXT, clinic_id TEXT,
    patient_id TEXT, device_id TEXT, evidence TEXT, occurred_at TEXT, landed_at TEXT, tier TEXT, level INTEGER,
    finding TEXT, gravity INTEGER, state TEXT, revision INTEGER, is_closed_by_rule INTEGER NOT NULL DEFAULT 0,
    told_at TEXT, acknowledged_at TEXT, acknowledged_by TEXT, assigned_role TEXT, digested_at TEXT, step INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS by_subject ON alerts (subject_kind, subject_id);
CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY, sink TEXT NOT NULL, delivery_id TEXT NOT NULL, in_order_of TEXT, payload TEXT NOT NULL,
    made_at TEXT NOT NULL, due_at TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, error TEXT, delivered_at TEXT,
    UNIQUE (sink, delivery_id));
CREATE TABLE IF NOT EXISTS digested (
    alert_id TEXT, sink TEXT, closed_at TEXT, PRIMARY KEY (alert_id, sink));
CREATE INDEX IF NOT EXISTS of_alert ON deliveries (in_order_of);
CREATE INDEX IF NOT EXISTS waiting ON deliveries (sink, number) WHERE delivered_at IS NULL;
"""
# Harm and what nobody took in hand: sent before all else, as is what stands before it in its
# alert's order.
IS_URGENT = """json_extract(payload, '$.tier') = 'now'
    AND json_extract(payload, '$.news') IN ('opened', 'raised', 'moved', 'opened_again', 'unacknowledged')"""
# Of each subject what came first, in one pass: thousands may wait for a receiver that is down.
DUE_DELIVERIES = f"""
WITH first AS (
    SELECT min(number) AS number, max({IS_URGENT}) AS is_urgent
    FROM deliveries WHERE sink = ? AND delivered_at IS NULL GROUP BY in_order_of)
SELECT deliveries.* FROM first JOIN deliveries USING (number) WHERE due_at <= ?
ORDER BY is_urgent DESC, attempts > 0, number LIMIT ?"""
# By the index of the subject: by that of the sink each would read all that waits for it, and
# thousands may.
HURRY = f"""
UPDATE deliveries INDEXED BY of_alert SET due_at = min(due_at, ?1) WHERE sink = ?2 AND in_order_of = ?3 AND delivered_at IS NULL AND EXISTS (
    SELECT 1 FROM deliveries WHERE sink = ?2 AND delivery_id = ?4 AND delivered_at IS NULL AND {IS_URGENT})"""
NOTICED = """
UPDATE digested SET closed_at = iif(closed_at IS NULL, ?, NULL) WHERE (closed_at IS NULL) = EXISTS (
    SELECT 1 FROM alerts WHERE alerts.alert_id = digested.alert_id AND state = 'closed')"""
# Whom it was told by itself, that hears of its end by itself too.
ENDED = """
DELETE FROM digested WHERE closed_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM deliveries WHERE in_order_of = alert_id AND deliveries.sink = digested.sink)"""
CLOSED_SINCE_DIGEST = """
SELECT alert_id, sink, closed_at, rule, clinic_id FROM digested JOIN alerts USING (alert_id)
WHERE closed_at IS NOT NULL ORDER BY alert_id, sink"""
