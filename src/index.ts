/** What apps import from "kintsugi". */
export {
  defineApp,
  defineWorkflow,
  type App,
  type DefinedApp,
  type WorkflowDefinition
} from "./sdk/App.ts"
export { defineJob, type Job, type JobAnswer, type JobResult, type ReportedAsset } from "./sdk/Job.ts"
export type {
  FileInfo,
  JobAssets,
  JobContext,
  JobFiles,
  JobInput,
  JobInputPartition,
  JobLog,
  JobTimestore,
  Json,
  JsonObject,
  Row
} from "./sdk/JobContext.ts"
export {
  AssetMissing,
  isJobFailure,
  PermanentFailure,
  StoreUnavailable,
  TransientFailure,
  type JobFailure
} from "./sdk/JobFailure.ts"
export type { Location } from "./domain/Location.ts"
export {
  type Accepted,
  ApiError,
  type Client,
  type ClientOptions,
  type ListPage,
  makeClient,
  ServerUnreachable
} from "./sdk/HttpClient.ts"
