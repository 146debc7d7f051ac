"""What engines answered and what they cost: prelabels, calibrations, the ledger of calls, canaries, probes, reports.

Offers `calibrations`, `calibrations.Calibration`, `call_ledger`, `call_ledger.Call`, `call_ledger.EndpointState`,
`call_ledger.Spending`, `call_ledger.State`, `canaries`, `engines_in_force`, `engines_in_force.Stage`,
`engines_in_force.first_revision`, `engines_in_force.place_of`, `prelabels`, `prelabels.PendingImage`,
`prelabels.PlacedImage`, `prelabels.Said`, `prelabels.UngroupedImage`, `prelabels.named_vectors`, `prelabels.stated_in`,
`probes`, `probes.Probe`, `reports`, `reports.EngineReport`, `reports.ReportItem`.
"""
