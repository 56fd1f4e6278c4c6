/** Sums are made in whole cents, so that they are exact; files and payloads show units of the currency. */
export const cents = (money: number): number => Math.round(money * 100)

/** Cents, which need not be whole, as money rounded to cents. */
export const money = (amountCents: number): number => Math.round(amountCents) / 100

/** `12.30` */
export const shownMoney = (amount: number): string => amount.toFixed(2)
