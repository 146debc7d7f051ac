"""What files are, by their own structure: which kind, how large, how their samples lie, what stands beside them.

Offers `animations.bmp_is_not_taken`, `animations.read_bmp`, `animations.read_gif`, `animations.read_webp`,
`animations.webp_alone`, `broken.broken`, `broken.cut_off`, `depth.scaled`, `depth.stretched`, `depth.white_of`,
`dicom.open_dicom`, `dicom.read_dicom`, `heif.colours_by_code`, `heif.open_heic`, `heif.read_heif`, `jpeg.Jpeg`,
`jpeg.read_jpeg`, `jpeg.with_end`, `magic.FORMATS`, `magic.format_of`, `magic.without_junk`, `png.CHANNELS`, `png.Png`,
`png.read_png`, `png_samples`, `tiff.COLOUR_MAP`, `tiff.ORIENTATION`, `tiff.PROFILE`, `tiff.Tiff`, `tiff.read_tiff`,
`tiff.what_it_is`, `tiff_samples`.
"""
