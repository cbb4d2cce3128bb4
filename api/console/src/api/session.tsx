/** Whoever is signed in, for every screen. */
import type { QueryClient } from '@tanstack/react-query';
import { createContext, useContext } from 'react';
import type { Permission } from '../domain/access';
import { text } from '../text/en';
import type { Session } from './types';

const Context = createContext<Session | null>(null);
export const SessionProvider = Context.Provider;

/** The session; only below the sign-in gate. */
export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error('no session above this component');
  return session;
}

/** What to call them; on an installation without keys nobody has signed in. */
export const calledOf = ({ name, login }: Session): string => (login === 'key:none' ? text.shell.local : name);

/** May whoever is signed in do this? */
export const useMay = (): ((permission: Permission) => boolean) => {
  const { permissions } = useSession();
  return (permission) => permissions.includes(permission);
};

/** Somebody else sits here now, or nobody: what was read for the one before is forgotten. The gate's own query stays, so that it hears of it. */
export function changeSession(queries: QueryClient, session: Session | null): void {
  queries.setQueryData(['session'], session);
  queries.removeQueries({ predicate: ({ queryKey: [first] }) => first !== 'session' });
}
