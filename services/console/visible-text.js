/** A rule of the linter: text that a page shows goes through `visible` (src/shown/visible.ts), unless this program wrote it.
 *
 * It looks at the children of elements, at the attributes below, and at the cells of tables. A text counts as our own if it is a
 * literal, has a type of literals, is looked up in a table of this program (CAPITALS), is a property of a component (whoever uses
 * the component is looked at), has one of the member names `ours`, or was made by one of the functions `makers`. */

import ts from "typescript";

const ATTRIBUTES = new Set([
  "label", "title", "header", "headerText", "description", "alt", "aria-label", "ariaLabel", "verb", "empty", "placeholder",
  "errorText", "textToDisplay", "copyButtonAriaLabel",
]);
const FORMATS = new Set(["toLocaleString", "toISOString", "format", "toFixed"]);
/** What they make of a text holds nothing that the text did not hold. */
const PARTS = new Set(["slice", "charAt", "toLowerCase", "toUpperCase", "replaceAll", "trim"]);
const COMPONENT = /^[A-Z]/;
const TABLE = /^[A-Z][A-Z_]*$/;

export default {
  meta: {
    type: "problem",
    schema: [{ type: "object", properties: { makers: { type: "array" }, ours: { type: "array" } }, additionalProperties: false }],
    messages: { bare: "`{{text}}` may be a caller's text: show it with visible()." },
  },
  create(context) {
    const [{ makers, ours }] = context.options;
    const services = context.sourceCode.parserServices;
    const parts = (type) => (type.isUnion() ? type.types.flatMap(parts) : [type]);
    /** A node of React's may be a text, too; where it was made is looked at. */
    const isText = (node) => {
      const all = parts(services.getTypeAtLocation(node));
      return all.some((part) => (part.flags & ts.TypeFlags.String) !== 0) && !all.some((part) => (part.flags & ts.TypeFlags.Object) !== 0);
    };
    const bare = (node) => {
      if (isText(node)) context.report({ node, messageId: "bare", data: { text: context.sourceCode.getText(node).slice(0, 60) } });
    };

    function variableOf(node) {
      for (let scope = context.sourceCode.getScope(node); scope !== null; scope = scope.upper) {
        const found = scope.set.get(node.name);
        if (found !== undefined) return found;
      }
      return undefined;
    }

    function lookAtName(node) {
      const [definition] = variableOf(node)?.defs ?? [];
      if (definition?.type === "Parameter" && COMPONENT.test(definition.node.id?.name ?? "")) return; // a property of the component
      if (definition?.type === "Variable" && definition.node.id.type === "Identifier" && definition.node.init !== null) look(definition.node.init);
      else bare(node);
    }

    /** What becomes of each item in `items.map((item) => …)`; null for anything else. */
    function eachOf({ type, callee, arguments: [made] = [] }) {
      const maps = type === "CallExpression" && callee.type === "MemberExpression" && callee.property.name === "map";
      return maps && made?.type === "ArrowFunctionExpression" && made.body.type !== "BlockStatement" ? made.body : null;
    }

    function look(node) {
      switch (node.type) {
        case "TemplateLiteral":
          node.expressions.forEach(look);
          break;
        case "ConditionalExpression":
          look(node.consequent);
          look(node.alternate);
          break;
        case "LogicalExpression":
          look(node.left);
          look(node.right);
          break;
        case "BinaryExpression":
          if (node.operator === "+") [node.left, node.right].forEach(look);
          break;
        case "ChainExpression":
        case "TSNonNullExpression":
        case "TSAsExpression":
          look(node.expression);
          break;
        case "CallExpression": {
          const { callee } = node;
          if (callee.type === "Identifier" && (callee.name === "visible" || makers.includes(callee.name))) break;
          const method = callee.type === "MemberExpression" && callee.property.type === "Identifier" ? callee.property.name : "";
          if (FORMATS.has(method)) break;
          const mapped = method === "join" ? eachOf(callee.object) : null;
          if (mapped !== null) look(mapped);
          else if (PARTS.has(method)) look(callee.object);
          else bare(node);
          break;
        }
        case "MemberExpression":
          if (node.object.type === "Identifier" && TABLE.test(node.object.name)) break;
          if (!node.computed && ours.includes(node.property.name)) break;
          bare(node);
          break;
        case "Identifier":
          if (!TABLE.test(node.name) && isText(node)) lookAtName(node);
          break;
      }
    }

    return {
      ":matches(JSXElement, JSXFragment) > JSXExpressionContainer": (node) => look(node.expression),
      JSXAttribute: (node) => {
        if (ATTRIBUTES.has(String(node.name.name)) && node.value?.type === "JSXExpressionContainer") look(node.value.expression);
      },
      'Property[key.name="cell"] > ArrowFunctionExpression': (node) => {
        if (node.body.type !== "BlockStatement") look(node.body);
      },
    };
  },
};
