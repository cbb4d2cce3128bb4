/** Which screens somebody is offered. Pure. The service enforces permissions; this only leaves out what would be refused. */

/** Permissions as `GET /v1/session` names them. */
export type Permission =
  | 'view_cases'
  | 'decide'
  | 'decide_escalated'
  | 'assign'
  | 'act_live'
  | 'edit_settings'
  | 'edit_policy'
  | 'view_quality'
  | 'view_stats'
  | 'manage_reports'
  | 'view_audit'
  | 'export_people'
  | 'erase_people'
  | 'manage_users'
  | 'manage_keys';

export const SCREENS = [
  { id: 'overview', path: '/', group: 'work', needs: 'view_cases' },
  { id: 'queues', path: '/queues', group: 'work', needs: 'view_cases' },
  { id: 'wall', path: '/wall', group: 'work', needs: 'view_cases' },
  { id: 'reports', path: '/reports', group: 'work', needs: 'view_cases' },
  { id: 'appeals', path: '/appeals', group: 'work', needs: 'view_cases' },
  { id: 'search', path: '/search', group: 'look', needs: 'view_cases' },
  { id: 'history', path: '/history', group: 'look', needs: 'view_cases' },
  { id: 'audit', path: '/audit', group: 'look', needs: 'view_audit' },
  { id: 'numbers', path: '/numbers', group: 'look', needs: 'view_stats' },
  { id: 'statements', path: '/statements', group: 'look', needs: 'export_people' },
  { id: 'matching', path: '/matching', group: 'look', needs: 'view_stats' },
  { id: 'policy', path: '/policy', group: 'steer', needs: 'edit_policy' },
  { id: 'banks', path: '/banks', group: 'steer', needs: 'edit_policy' },
  { id: 'strikes', path: '/strikes', group: 'steer', needs: 'edit_policy' },
  { id: 'quality', path: '/quality', group: 'steer', needs: 'view_quality' },
  { id: 'settings', path: '/settings', group: 'steer', needs: 'edit_settings' },
  { id: 'wellness', path: '/wellness', group: 'you', needs: 'view_cases' },
  { id: 'account', path: '/account', group: 'you', needs: 'view_cases' },
] as const satisfies readonly { id: string; path: string; group: string; needs: Permission }[];

export type Screen = (typeof SCREENS)[number];
export type ScreenId = Screen['id'];

/** The screens whose permission is among those held. */
export const offered = (permissions: readonly string[]): Screen[] =>
  SCREENS.filter(({ needs }) => permissions.includes(needs));
