/** One chart of the last minutes, with its legend: the latest values, or those under the cursor. */
import type uPlotType from 'uplot';
import { colourOf, make, setText } from './dom.ts';
import { type History, KEPT_MS, type Series } from './history.ts';

declare const uPlot: typeof uPlotType;

export interface ChartSpec {
  readonly title: string;
  readonly series: readonly {
    readonly key: Series;
    readonly label: string;
    readonly dashed?: boolean;
    readonly filled?: boolean;
  }[];
  /** A value of the legend, and of the axis. */
  readonly text: (value: number) => string;
  /** Bytes: the axis counts by powers of two. */
  readonly binary?: boolean;
  /** The highest value that the axis shows at least. */
  readonly atLeast: number;
}

const HEIGHT = 148;

/** The shortest time that is shown, seconds. */
const MIN_RANGE_S = 60;

const POWERS_OF_TWO = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** Its axis keeps this width, so that charts under each other are aligned, CSS pixels. */
const AXIS_WIDTH = 58;

export class Chart {
  readonly element: HTMLElement;
  readonly #spec: ChartSpec;
  readonly #history: History;
  readonly #plot: HTMLElement;
  readonly #values: readonly HTMLElement[];
  #chart: uPlotType | undefined;
  #hovered: number | null = null;

  constructor(spec: ChartSpec, history: History) {
    this.#spec = spec;
    this.#history = history;
    this.#plot = make('div', { class: 'plot', role: 'img' });
    const legend = make('dl', { class: 'legend' });
    this.#values = spec.series.map(({ key, label, dashed }) => {
      const name = make('dt', dashed === true ? { class: 'dashed' } : {}, label);
      name.style.setProperty('--color', `var(--${key})`);
      const value = make('dd');
      legend.append(make('div', {}, name, value));
      return value;
    });
    const head = make('div', { class: 'head' }, make('h3', {}, spec.title), legend);
    this.element = make('section', { class: 'card chart' }, head, this.#plot);
    new ResizeObserver(() => this.#resize()).observe(this.#plot);
    // Colours are drawn, not styled.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
  }

  /** The history has grown. */
  update(): void {
    if (this.#chart === undefined) this.#draw();
    else this.#chart.setData(this.#data(), false);
    this.#chart?.setScale('x', this.#range());
    this.#tell();
  }

  #data(): uPlotType.AlignedData {
    const times = this.#history.points.map(({ at }) => at / 1000);
    return [times, ...this.#spec.series.map(({ key }) => this.#history.values(key))];
  }

  /** The last minute at first, growing with the history. */
  #range(): { min: number; max: number } {
    const { points, now } = this.#history;
    const max = (now?.at ?? Date.now()) / 1000;
    const first = (points[0]?.at ?? 0) / 1000;
    return { min: Math.min(max - MIN_RANGE_S, Math.max(first, max - KEPT_MS / 1000)), max };
  }

  #resize(): void {
    const width = this.#plot.clientWidth;
    if (width > 0) this.#chart?.setSize({ width, height: HEIGHT });
  }

  #tell(): void {
    const { points } = this.#history;
    const point = this.#hovered === null ? this.#history.now : points[this.#hovered];
    const texts = this.#spec.series.map(({ key }) => {
      const value = point?.[key];
      return value === null || value === undefined ? '–' : this.#spec.text(value);
    });
    for (const [at, element] of this.#values.entries()) setText(element, texts[at] ?? '');
    const spoken = this.#spec.series.map(({ label }, at) => `${label} ${texts[at]}`).join(', ');
    this.#plot.setAttribute('aria-label', `${this.#spec.title} over the last ten minutes; now ${spoken}`);
  }

  #draw(): void {
    this.#chart?.destroy();
    const { series, text, binary, atLeast } = this.#spec;
    const axis = { stroke: colourOf('soft'), font: '11px system-ui, sans-serif', ticks: { show: false } };
    const grid = { stroke: colourOf('grid'), width: 1 };
    const options: uPlotType.Options = {
      width: Math.max(1, this.#plot.clientWidth),
      height: HEIGHT,
      padding: [8, 26, 0, 0],
      legend: { show: false },
      cursor: { y: false, sync: { key: 'poold' }, points: { size: 6 }, drag: { x: false, y: false } },
      scales: { y: { range: (_, __, max) => [0, Math.max(atLeast, (max ?? 0) * 1.1)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 22, space: 64, values: (_, ats) => ats.map(clockText) },
        {
          ...axis,
          grid,
          size: AXIS_WIDTH,
          space: 36,
          values: (_, ticks) => ticks.map((tick) => text(tick)),
          ...(binary === true ? { incrs: POWERS_OF_TWO } : {}),
        },
      ],
      series: [{}, ...series.map(lineOf)],
      hooks: {
        setCursor: [
          ({ cursor }) => {
            this.#hovered = cursor.idx ?? null;
            this.#tell();
          },
        ],
      },
    };
    this.#chart = new uPlot(options, this.#data(), this.#plot);
    this.#chart.setScale('x', this.#range());
  }
}

/** How a series is drawn. */
function lineOf({ key, dashed, filled }: ChartSpec['series'][number]): uPlotType.Series {
  const stroke = colourOf(key);
  const line: uPlotType.Series = { stroke, width: 1.5, points: { size: 4, filter: lonePoints } };
  if (dashed === true) line.dash = [4, 4];
  if (filled === true) line.fill = `${stroke}1f`;
  return line;
}

/** A point without neighbours, which a line would not show. */
function lonePoints(chart: uPlotType, series: number): number[] {
  const values = chart.data[series] ?? [];
  const isThere = (at: number): boolean => values[at] !== null && values[at] !== undefined;
  return [...values.keys()].filter((at) => isThere(at) && !isThere(at - 1) && !isThere(at + 1));
}

/** The time of day of a second since 1970; with the seconds where they are not 0. */
function clockText(at: number): string {
  const text = new Date(at * 1000).toLocaleTimeString('en-GB');
  return text.endsWith(':00') ? text.slice(0, -3) : text;
}
