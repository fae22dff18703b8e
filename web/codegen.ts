// What the code generator reads and writes: the server's schema and our operations become types.
// It decides nothing about how requests are sent; that is src/api/request.ts.
import type { CodegenConfig } from '@graphql-codegen/cli'

const config: CodegenConfig = {
  schema: '../api/schema.graphql',
  documents: ['src/**/*.{ts,tsx}', '!src/api/generated/**'],
  ignoreNoDocuments: true,
  generates: {
    './src/api/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        scalars: { Int64: 'string', Time: 'string', JSON: 'unknown' },
      },
    },
  },
}

export default config
