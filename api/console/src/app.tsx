/** Who is signed in decides what there is; the address decides which of it is shown. */
import { Center, Loader } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, type ReactNode } from 'react';
import { Redirect, Route, Router, Switch, useLocation } from 'wouter';
import { ServiceError, sendCsrf } from './api/client';
import { sessionQuery } from './api/queries';
import { SessionProvider, useSession } from './api/session';
import { SCREENS } from './domain/access';
import { unescaped } from './domain/address';
import { Empty, Refused } from './parts/state';
import { setServiceTime } from './parts/small';
import { AppealsScreen } from './screens/Appeals';
import { AuditScreen } from './screens/Audit';
import { AccountScreen } from './screens/Account';
import { BanksScreen } from './screens/Banks';
import { CaseScreen } from './screens/case/CaseScreen';
import { HistoryScreen } from './screens/History';
import { MatchingScreen } from './screens/Matching';
import { NumbersScreen } from './screens/Numbers';
import { OverviewScreen } from './screens/Overview';
import { PersonScreen } from './screens/Person';
import { PolicyScreen } from './screens/policy/PolicyScreen';
import { QualityScreen } from './screens/Quality';
import { QueuesScreen } from './screens/Queues';
import { QueueScreen } from './screens/Queue';
import { ReportsScreen } from './screens/Reports';
import { ReviewScreen } from './screens/Review';
import { SearchScreen } from './screens/Search';
import { SettingsScreen } from './screens/settings/SettingsScreen';
import { StatementsScreen } from './screens/Statements';
import { StrikesScreen } from './screens/Strikes';
import { WallScreen } from './screens/Wall';
import { WellnessScreen } from './screens/Wellness';
import { Shell } from './shell/Shell';
import { SetUp } from './shell/SetUp';
import { SignIn } from './shell/SignIn';
import { text } from './text/en';

function Screens() {
  return (
    <Switch>
      <Route path="/" component={OverviewScreen} />
      <Route path="/queues" component={QueuesScreen} />
      <Route path="/queues/:queue">{({ queue }) => <QueueScreen queue={unescaped(queue)} />}</Route>
      <Route path="/review">
        <ReviewScreen />
      </Route>
      <Route path="/review/:queue">{({ queue }) => <ReviewScreen queue={unescaped(queue)} />}</Route>
      <Route path="/cases/:id">{({ id }) => <CaseScreen key={id} id={id} />}</Route>
      <Route path="/wall" component={WallScreen} />
      <Route path="/reports" component={ReportsScreen} />
      <Route path="/appeals" component={AppealsScreen} />
      <Route path="/search" component={SearchScreen} />
      <Route path="/history" component={HistoryScreen} />
      <Route path="/audit" component={AuditScreen} />
      <Route path="/numbers" component={NumbersScreen} />
      <Route path="/statements" component={StatementsScreen} />
      <Route path="/matching" component={MatchingScreen} />
      <Route path="/people/:actor">{({ actor }) => <PersonScreen actor={unescaped(actor)} />}</Route>
      <Route path="/policy" component={PolicyScreen} />
      <Route path="/banks" component={BanksScreen} />
      <Route path="/strikes" component={StrikesScreen} />
      <Route path="/quality" component={QualityScreen} />
      <Route path="/settings/:tab?">{({ tab }) => <SettingsScreen tab={tab} />}</Route>
      <Route path="/wellness" component={WellnessScreen} />
      <Route path="/account" component={AccountScreen} />
      <Route path="/sign-in">
        <Redirect to="/" />
      </Route>
      <Route>
        <Empty title={text.shell.noPage}>{text.shell.noPageHint}</Empty>
      </Route>
    </Switch>
  );
}

/** Screens that somebody's role does not have: the service would refuse what they read. */
function Guarded({ children }: { children: ReactNode }) {
  const { permissions } = useSession();
  const [path] = useLocation();
  const screen = SCREENS.find(({ path: start }) => (start === '/' ? path === '/' : path.startsWith(start)));
  if (screen && !permissions.includes(screen.needs)) return <Empty title={text.shell.notYours}>{text.shell.notYoursHint}</Empty>;
  return <>{children}</>;
}

/** The title of the window, and the top of the page, follow the address. */
function useTitle() {
  const [path] = useLocation();
  useEffect(() => {
    const screen = SCREENS.find(({ path: start }) => (start === '/' ? path === '/' : path.startsWith(start)));
    const name = screen ? text.screens[screen.id] : path.startsWith('/cases') ? text.case.title : '';
    document.title = name ? `${name} · Chaperone` : 'Chaperone';
    window.scrollTo(0, 0);
  }, [path]);
}

function Gate() {
  useTitle();
  const [path] = useLocation();
  const session = useQuery(sessionQuery);
  const signedIn = session.data;
  sendCsrf(signedIn?.csrf);
  useEffect(() => {
    if (signedIn) setServiceTime(signedIn.now);
  }, [signedIn]);

  if (path.startsWith('/setup')) return <SetUp />;
  // An installation without keys lets whoever is on its machine in without an account: they may still want to use theirs.
  if (path === '/sign-in' && signedIn && !signedIn.csrf) return <SignIn />;
  if (signedIn) {
    return (
      <SessionProvider value={signedIn}>
        <Shell key={signedIn.tenant}>
          <Guarded>
            <Screens />
          </Guarded>
        </Shell>
      </SessionProvider>
    );
  }
  const refused = session.error;
  if (signedIn === null || (refused instanceof ServiceError && (refused.status === 401 || refused.status === 403))) return <SignIn />;
  if (refused) {
    return (
      <Center h="100vh" p="md">
        <Refused error={refused} retry={() => void session.refetch()} />
      </Center>
    );
  }
  return (
    <Center h="100vh">
      <Loader aria-label={text.waiting} />
    </Center>
  );
}

export function App() {
  return (
    <Router base="/console">
      <Gate />
    </Router>
  );
}
