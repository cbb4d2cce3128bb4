import { defineConfig } from 'vite';

// The service to develop against: `npm run dev` serves the console and hands everything else on to it.
const service = process.env['CHAPERONE_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: '/console/',
  esbuild: { jsx: 'automatic' },
  build: {
    target: 'es2022',
    sourcemap: false,
    // Everything is a file with a hash in its name: the Content Security Policy allows no inline data in scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
    rollupOptions: {
      // Libraries mark files for servers that render; there is none here.
      onwarn: (warning, tell) => {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') tell(warning);
      },
      output: {
        // Libraries change seldom: browsers keep them when the console changes.
        manualChunks: (id: string) => (id.includes('node_modules') ? 'vendor' : undefined),
      },
    },
  },
  server: { proxy: { '/v1': service, '/health': service, '/metrics': service } },
});
