/** Short names of the service's shapes, out of the generated document. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type Session = Schemas['SessionView'];
export type Case = Schemas['CaseView'];
export type CasePage = Schemas['CasePage'];
export type Evidence = Schemas['EvidenceView'];
export type Exhibit = Schemas['ExhibitView'];
export type Decision = Schemas['DecisionView'];
export type NewDecision = Schemas['NewDecision'];
export type Step = Schemas['StepBody'];
export type QueueCount = Schemas['QueueCountView'];
export type QueueRule = Schemas['QueueRuleView'];
export type ReviewSettings = Schemas['ReviewSettingsView'];
export type Comfort = Schemas['ComfortView'];
export type Report = Schemas['KeptReportView'];
export type Appeal = Schemas['AppealView'];
export type AuditEntry = Schemas['AuditEntryView'];
export type WallCall = Schemas['WallCallView'];
export type WallParticipant = Schemas['WallParticipantView'];
export type WallAction = Schemas['WallActionView'];
export type MessageHistory = Schemas['MessageHistoryView'];
export type Bank = Schemas['BankView'];
export type User = Schemas['UserView'];
export type Standing = Schemas['Standing'];
export type Action = Schemas['Action'];
export type PolicyVersion = Schemas['PolicyVersion'];
export type Backtest = Schemas['Backtest'];

/** An item's envelope, as exhibits carry it. */
export interface Envelope {
  readonly id: string;
  readonly kind: 'text' | 'frame' | 'image';
  readonly actor?: string;
  readonly conversation?: string;
  readonly call?: string;
  readonly message?: string;
  readonly occurred_at: string;
}

/** Why a rule fired. */
export interface Reason {
  readonly rule: string;
  readonly text: string;
  readonly label: string;
  readonly score: number;
  readonly action: string;
}

/** What was done about an item. */
export interface Done {
  readonly id: string;
  readonly kind: string;
  readonly rule: string;
  readonly reason: string;
  readonly decided_at: string;
}

/** Of a backtest's report, by action. */
export interface ActionDiff {
  readonly before: number;
  readonly after: number;
  readonly people_before: number;
  readonly people_after: number;
  readonly people_gained: number;
  readonly people_lost: number;
}

/** An item that a draft policy would judge differently. */
export interface Sample {
  readonly item: string;
  readonly actor?: string;
  readonly before: string;
  readonly after: string;
  readonly rules: readonly string[];
}

/** What came of a backtest. */
export interface BacktestReport {
  readonly items: number;
  readonly unjudged: number;
  readonly without_context: number;
  readonly passed_before: number;
  readonly passed_after: number;
  readonly actions: Readonly<Record<string, ActionDiff>>;
  readonly overturned: number;
  readonly overturned_repeated: number;
  readonly harder: readonly Sample[];
  readonly milder: readonly Sample[];
}

/** A cut of a label's score, with what it would do. */
export interface Cut {
  readonly cut: number;
  readonly precision: number;
  readonly precision_interval: readonly [number, number];
  readonly recall: number;
}

/** The answer of the tuner. */
export interface Tuning {
  readonly items: number;
  readonly violating: number;
  readonly curve: readonly Cut[];
  readonly sure?: Cut | null;
  readonly likely?: Cut | null;
}
