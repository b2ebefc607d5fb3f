// `npm run test:package`: what others get, installed as they would. Wants a registry, so it is no part of `npm test`.
export default {
  files: ['test/package/*.test.ts'],
  typescript: { rewritePaths: { 'test/': 'dist/test/', 'src/': 'dist/src/' }, compile: false },
  nodeArguments: ['--enable-source-maps'],
  workerThreads: true,
  concurrency: 1,
  serial: true,
  timeout: '180s',
};
