// The scenarios of `npm run test:faults`: one file after the other, so that no load disturbs another's figures.
export default {
  files: ['test/faults/*.test.ts'],
  typescript: { rewritePaths: { 'test/': 'dist/test/', 'src/': 'dist/src/' }, compile: false },
  nodeArguments: ['--enable-source-maps'],
  workerThreads: true,
  concurrency: 1,
  serial: true,
  timeout: '120s',
};
