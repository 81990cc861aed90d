//! Colours and lines of plots, as CSS. One palette for light and one for dark grounds: each hue
//! holds a contrast of 3:1 on its ground and stays apart from the others for colour-blind people;
//! dashes tell lines apart where colour does not.

/// Series colours that there are; a plot takes no more.
pub const COLOURS: usize = 6;

struct Palette {
    ground: &'static str,
    ink: &'static str,
    faint_ink: &'static str,
    grid: &'static str,
    shade: &'static str,
    alarm: &'static str,
    /// After Okabe and Ito, darkened or lightened for the ground.
    series: [&'static str; COLOURS],
}

const LIGHT: Palette = Palette {
    ground: "#ffffff",
    ink: "#1c2127",
    faint_ink: "#5b6570",
    grid: "#dde2e8",
    shade: "#e8ecf1",
    alarm: "#b3261e",
    series: [
        "#0072b2", "#00896a", "#c47700", "#b0307a", "#5c6773", "#6b5bc4",
    ],
};

const DARK: Palette = Palette {
    ground: "#191d23",
    ink: "#e6e9ed",
    faint_ink: "#9aa5b1",
    grid: "#2d343d",
    shade: "#262c34",
    alarm: "#ff8a80",
    series: [
        "#5ab4f0", "#2fc79c", "#f0b03f", "#ee86bd", "#b8c2cc", "#b3a5ff",
    ],
};

/// What tells lines apart besides colour.
const DASHES: [&str; COLOURS] = ["", "", "6 2.5", "2 2", "8 2.5 2 2.5", "3.5 2"];

/// For a page that shows plots inline, in the colours that the reader's system prefers.
pub fn for_page() -> String {
    let (light, dark) = (colours(&LIGHT), colours(&DARK));
    format!(
        "{}{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n",
        shapes()
    )
}

/// For a file of its own: dark on white wherever it is shown.
pub fn for_file() -> String {
    shapes() + &colours(&LIGHT)
}

fn shapes() -> String {
    let mut css = String::from(
        ".plot{font:11.5px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n\
         .plot .title{font-size:13px;font-weight:600}\n\
         .plot .grid{fill:none;stroke-width:1}\n\
         .plot .line{fill:none;stroke-width:1.6;stroke-linejoin:round}\n\
         .plot .dots{fill:none;stroke-width:4.5;stroke-linecap:round}\n\
         .plot .area{stroke:none;fill-opacity:.14}\n\
         .plot .bars{stroke:none;fill-opacity:.75}\n\
         .plot .limit{fill:none;stroke-width:1.2;stroke-dasharray:6 4}\n\
         .plot .halo{paint-order:stroke;stroke-width:3;stroke-linejoin:round}\n",
    );
    for (index, dash) in DASHES.iter().enumerate() {
        if !dash.is_empty() {
            css += &format!(".plot .dash.s{index}{{stroke-dasharray:{dash}}}\n");
        }
    }
    css
}

fn colours(palette: &Palette) -> String {
    let Palette {
        ground,
        ink,
        faint_ink,
        grid,
        shade,
        alarm,
        series,
    } = palette;
    let mut css = format!(
        ".plot text{{fill:{ink}}}\n\
         .plot .ground{{fill:{ground}}}\n\
         .plot .faint{{fill:{faint_ink}}}\n\
         .plot .grid{{stroke:{grid}}}\n\
         .plot .grid.base{{stroke:{faint_ink}}}\n\
         .plot .shade{{fill:{shade}}}\n\
         .plot .limit{{stroke:{alarm}}}\n\
         .plot .alarm{{fill:{alarm}}}\n\
         .plot .halo{{stroke:{ground}}}\n"
    );
    for (index, colour) in series.iter().enumerate() {
        css += &format!(
            ".plot .line.s{index},.plot .dots.s{index}{{stroke:{colour}}}\n.plot .area.s{index},.plot .bars.s{index}{{fill:{colour}}}\n"
        );
    }
    css
}
