import '@mantine/core/styles.css';
import './console.css';
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';
import { ServiceError, onSessionEnded } from './api/client';
import { Told } from './parts/told';
import { theme, variables } from './theme';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // What the service refused, it refuses again; what did not arrive may arrive.
      retry: (count, error) => count < 2 && (!(error instanceof ServiceError) || error.status === 0 || error.status >= 502),
      staleTime: 5000,
    },
  },
});
onSessionEnded(() => queries.setQueryData(['session'], null));

// Styles that Mantine writes at run time carry the nonce of this page's Content Security Policy.
const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
setNonce(nonce);
const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={() => nonce}>
        <QueryClientProvider client={queries}>
          <Told>
            <App />
          </Told>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
