// How the app is built, served while developing, and tested.
// The built files are embedded in the server, which serves them under a strict content policy.
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

const server = process.env.PARX_SERVER ?? 'http://127.0.0.1:8800'

export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2023',
    // Nothing may become a data: address, which the content policy refuses.
    assetsInlineLimit: 0,
  },
  server: {
    proxy: {
      '/graphql': { target: server, ws: true },
      '/api': { target: server },
    },
  },
  test: {
    environment: 'happy-dom',
    setupFiles: ['src/app/test-setup.ts'],
    include: ['src/**/*.test.{ts,tsx}'],
  },
})
