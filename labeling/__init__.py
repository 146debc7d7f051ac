"""The core of hardcase: values, arrays and tensors in and out. Only `labeling.adapters` does I/O.

Offers `answers.Answer`, `answers.AnswerSet`, `answers.MISSING`, `answers.is_always_offered`, `answers.is_none`,
`answers.is_unsure`, `basis.Basis`, `basis.pack`, `basis.unpack`, `basis.unpack_candidates`, `conversion.convert`,
`conversion.decode`, `errors.BacklogFull`, `errors.BadAddress`, `errors.BadArchive`, `errors.BadArtifact`,
`errors.BadImage`, `errors.Conflict`, `errors.Damaged`, `errors.DatabaseDamaged`, `errors.Denied`,
`errors.EndpointSilent`, `errors.EndpointUnavailable`, `errors.EnginePaused`, `errors.HardcaseError`, `errors.Invalid`,
`errors.LabelStudioUnavailable`, `errors.NO_ROOM`, `errors.NotFound`, `errors.NothingToLearnFrom`, `errors.OverBudget`,
`errors.SPENT`, `errors.StorageFull`, `errors.TooOften`, `errors.Unauthenticated`, `errors.Unavailable`,
`errors.not_written`, `estimates.Estimate`, `estimates.Forecast`, `estimates.MIN_LABELS`,
`estimates.images_for_certificate`, `jobs.JobName`, `jobs.Role`, `jobs.Trigger`, `loading.loading`,
`normal_form.check_name`, `normal_form.clean_name`, `normal_form.is_blank`, `normal_form.is_plain`,
`normal_form.one_line`, `normal_form.same_name`, `normal_form.visible`, `one_thread.one_thread`, `project.AUTO`,
`project.Budget`, `project.CertificateTerms`, `project.EngineUse`, `project.Gate`, `project.LabelChange`,
`project.LabelClass`, `project.LabelOperation`, `project.PLANNED`, `project.Policy`, `project.Project`,
`project.ProjectConfig`, `project.RANDOM_SAMPLE`, `project.RESERVED`, `project.Schedule`, `project.Shares`,
`project.Stop`, `project.Targets`, `schedule.check_schedule`, `schedule.is_quiet`, `schedule.last_time`,
`slices.batches`, `slices.slices`, `text_templates.check_template`, `text_templates.fill_template`, `types.Actor`,
`types.AnnotationAction`, `types.DeletionKind`, `types.Evidence`, `types.Example`, `types.ISSUES`, `types.ImageChecks`,
`types.ImageId`, `types.Incoming`, `types.KeyId`, `types.LabelSource`, `types.NONE_OF_THESE`, `types.Outcome`,
`types.Prelabel`, `types.ProjectId`, `types.QueryId`, `types.RegistrationId`, `types.ReviewId`, `types.ReviewKind`,
`types.SourceId`, `types.UNSURE`, `types.Verdict`, `types.VersionId`, `vectors.Rows`, `vectors.finite`,
`vectors.finite_rows`, `vectors.shown_probs`, `vectors.softmax`, `vectors.unit`.
"""
