import { AssetList } from "./AssetList.ts"
import { Attention } from "./Attention.ts"
import { BackfillList } from "./BackfillList.ts"
import { IntegrityInventory } from "./IntegrityInventory.ts"
import { Locations } from "./Locations.ts"
import { MaterializationList } from "./MaterializationList.ts"
import { Notifications } from "./Notifications.ts"
import { Partitions } from "./Partitions.ts"
import type { Projection } from "./Projection.ts"
import { RecoveryList } from "./RecoveryList.ts"
import { RunList } from "./RunList.ts"

/** Every read model that the server runs. */
export const allProjections: ReadonlyArray<Projection> = [
  RunList,
  Locations,
  AssetList,
  RecoveryList,
  Notifications,
  MaterializationList,
  BackfillList,
  Partitions,
  Attention,
  IntegrityInventory
]
