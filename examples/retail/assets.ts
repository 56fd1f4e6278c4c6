/** What the retail workflows make. The CSVs are no asset: they come from outside, and nobody here can make them again. */
export const assetIds = {
  raw: "retail.sales.raw",
  parquet: "retail.sales.parquet",
  report: "retail.sales.report"
} as const

/** The CSV that the shops deliver for a day, in the store `inbox`. */
export const csvKey = (datasetName: string, day: string): string => `${datasetName}_${day}.csv`

/** Files of a day in the folder `warehouseDir` of the store `warehouse`. */
export const warehouseKeys = (warehouseDir: string, day: string) => ({
  parquetFile: `${warehouseDir}/retail_sales_${day}.parquet`,
  summaryFile: `${warehouseDir}/retail_sales_${day}.summary.json`
})
