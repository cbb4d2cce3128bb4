-- What people have said about items: the last word on each, for backtests and tuning. No index of decisions would do: a decision is about a
-- case, which holds many items, and evidence goes with its retention.
CREATE TABLE item_verdicts (
    tenant       text    NOT NULL,
    item         text    NOT NULL,
    at           bigint  NOT NULL,
    violates     bigint  NOT NULL,
    rule         text    ,
    decision     text    NOT NULL,
    PRIMARY KEY (tenant, item)
);
CREATE INDEX item_verdicts_at ON item_verdicts (tenant, at);
CREATE INDEX item_verdicts_decision ON item_verdicts (tenant, decision);
