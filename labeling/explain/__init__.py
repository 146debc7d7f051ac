"""Where in an image a class is found: regions of a model, occlusion of the champion.

Offers `occlusion.covered`, `occlusion.occlusion_map`, `occlusion.stacked`, `occlusion.strip`, `regions.RegionFinder`,
`regions.lit`.
"""
