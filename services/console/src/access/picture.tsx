/** Who can, as a picture: principal, policy or grant, key. The list beside it says the same in words. */

import Box from "@cloudscape-design/components/box";

import { visible } from "../shown/visible";
import { type Drawing, type Node } from "./drawing";
import style from "./picture.module.css";

const ROW = 36;
const HEIGHT = 26;
const COLUMNS = [
  { x: 0, width: 250 },
  { x: 350, width: 330 },
  { x: 780, width: 200 },
] as const;
const WIDTH = 980;
/** How many characters fit into a node; the whole text is its title. */
const FITS = [34, 46, 26] as const;

export function Picture({ drawing, title }: { drawing: Drawing; title: string }) {
  const { nodes, edges, rows } = drawing;
  return (
    <figure className={style.figure}>
      <div className={style.scrolled} tabIndex={0} role="region" aria-label="Picture, scrolls sideways">
        <svg
          viewBox={`0 0 ${WIDTH} ${rows * ROW + 30}`}
          width={WIDTH}
          height={rows * ROW + 30}
          role="img"
          aria-label={`${title}. The list says the same in words.`}
        >
          {(["Principal", "Policy or grant", "Key"] as const).map((text, column) => (
            <text key={text} className={style.head} x={COLUMNS[column as 0 | 1 | 2].x} y={14}>
              {text}
            </text>
          ))}
          {edges.map(({ from, to, sure }, index) => (
            <path key={index} className={sure ? style.edge : `${style.edge} ${style.perhaps}`} d={curve(from, to)} />
          ))}
          {nodes.map((node) => (
            <DrawnNode key={node.id} node={node} />
          ))}
        </svg>
      </div>
      <figcaption>
        <Box color="text-body-secondary" fontSize="body-s">
          A solid line allows every request; a dashed line only those that meet its conditions.
        </Box>
      </figcaption>
    </figure>
  );
}

function DrawnNode({ node }: { node: Node }) {
  const { x, width } = COLUMNS[node.column];
  const most = FITS[node.column];
  const whole = visible(node.label);
  const y = middle(node) - HEIGHT / 2;
  return (
    <g>
      <title>{whole}</title>
      <rect className={`${style.node} ${style[`column${node.column}`]}`} x={x + 1} y={y} width={width - 2} height={HEIGHT} rx={6} />
      <text className={style.label} x={x + 10} y={y + 17}>
        {whole.length > most ? `${whole.slice(0, most - 1)}…` : whole}
      </text>
    </g>
  );
}

function middle(node: Node): number {
  return 30 + node.row * ROW + HEIGHT / 2;
}

function curve(from: Node, to: Node): string {
  const begin = COLUMNS[from.column].x + COLUMNS[from.column].width;
  const end = COLUMNS[to.column].x;
  const half = (begin + end) / 2;
  return `M${begin} ${middle(from)} C${half} ${middle(from)} ${half} ${middle(to)} ${end} ${middle(to)}`;
}
